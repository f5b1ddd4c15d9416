"""Similar tickets and articles."""
