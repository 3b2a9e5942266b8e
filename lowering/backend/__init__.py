"""From the llvm dialect to machine code: the only imports of llvmlite."""
