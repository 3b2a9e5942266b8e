"""Measure and tell: layers and programs beside the limit of the machine and other systems."""
