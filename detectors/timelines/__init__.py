"""Observed and expected counts over time, for charts; no decision reads them."""
