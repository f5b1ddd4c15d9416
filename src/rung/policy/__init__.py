"""The policy package: YAML folder ⇄ core values, its linter, its stories and its bundle."""
