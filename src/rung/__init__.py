"""Rung: the moment a ticket arrives, decide who must have it, and say why."""

__version__ = "1.0.0"
