"""Offline analyses: replay, backtest, evaluation, explanation of decisions."""
