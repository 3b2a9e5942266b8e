"""How one becomes the other: one pass a file."""
