"""The front door: the public Python API."""
