"""Importers: trained networks of other formats to lowbit programs."""
