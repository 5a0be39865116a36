"""Measure detection: simulated traffic, incidents, benign events, competing methods, tables.

Pure and seeded, like the rest of `detectors`; ``stream/analysis/evaluate.py`` runs it in parallel.
"""
