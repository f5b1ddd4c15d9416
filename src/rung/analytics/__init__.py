"""Measures, replay, review, proposals, tossing."""
