"""Probes: pure functions from Vectors to numbers. `audit.py` measures what vectors give away."""
