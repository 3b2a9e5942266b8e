"""What one instruction set has: its names for features and processors, its intrinsics."""
