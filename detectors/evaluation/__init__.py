"""How good detection is: made-up traffic, incidents, guards, rivals, and the tables about them.

Pure and seeded, like the rest of `detectors`: what runs it in parallel is
``stream/analysis/evaluate.py``.
"""
