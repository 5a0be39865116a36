"""Backtests on a company's own tickets: labels, injected incidents, recommendations."""
