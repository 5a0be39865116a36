"""Observed and expected counts over time, for charts; no decision depends on them."""
