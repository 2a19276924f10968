"""End-to-end recipes: prepare, listen, move, draw, write."""
