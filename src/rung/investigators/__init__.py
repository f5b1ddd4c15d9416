"""One file is one probe."""
