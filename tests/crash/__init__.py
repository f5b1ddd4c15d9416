"""The crash proof: what was answered is stored, once, whatever is killed."""
