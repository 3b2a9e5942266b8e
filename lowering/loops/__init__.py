"""Loops around tiles and rows: their order and borders, strips, and the tasks that threads share."""
