"""The ops, grouped by what they do."""
