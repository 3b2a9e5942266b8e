"""Data from layout to layout: loops that copy, pack, gather and transpose, with no tile in them."""
