"""One file is one kind of evidence."""
