"""The story step by step: intake, deciding again."""
