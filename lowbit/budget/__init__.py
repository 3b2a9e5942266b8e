"""Bits for each layer of a network within a budget of accuracy."""
