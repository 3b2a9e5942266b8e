"""What the computation is: types, attributes, ops, their NumPy reference, importers."""
