"""Conversions to the llvm dialect, one source dialect a file."""
