"""Which way is best: measured machine rates, plans, search."""
