"""One file per network of a paper, read from top to bottom."""
