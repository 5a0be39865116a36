"""Measure detection: simulated traffic, incidents, benign events, competing methods, tables.

Everything is pure and seeded, like the rest of `detectors`. ``stream/analysis/evaluate.py`` runs
the experiments in parallel.
"""
