"""Experiments on simulated companies, and the scores that they yield."""
