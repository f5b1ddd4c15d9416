"""Ratios measured in one run, each against its named baseline. ``python benchmarks/run.py`` runs all."""
