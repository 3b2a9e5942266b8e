"""What becomes of accumulators: chains to codes as one op, and the code behind each tile."""
