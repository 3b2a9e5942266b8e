"""The pipeline from scf, memref, vector, arith, math and func to the llvm dialect."""

from xdsl.passes import ModulePass

from lowering.llvm.convert_arith_to_llvm import ConvertArithToLLVMPass
from lowering.llvm.convert_cf_to_llvm import ConvertCfToLLVMPass
from lowering.llvm.convert_func_to_llvm import ConvertFuncToLLVMPass
from lowering.llvm.convert_index_to_llvm import ConvertIndexToLLVMPass
from lowering.llvm.convert_math_to_llvm import ConvertMathToLLVMPass
from lowering.llvm.convert_memref_to_llvm import ConvertMemRefToLLVMPass
from lowering.llvm.convert_vector_to_llvm import ConvertVectorToLLVMPass
from lowering.llvm.stock_passes import ConvertScfToCfOncePass, ReconcileUnrealizedCastsOncePass

LLVM: tuple[ModulePass, ...] = (
    ConvertScfToCfOncePass(),
    ConvertFuncToLLVMPass(),
    ConvertIndexToLLVMPass(),
    ConvertCfToLLVMPass(),
    ConvertMemRefToLLVMPass(),
    ConvertVectorToLLVMPass(),
    ConvertMathToLLVMPass(),
    ConvertArithToLLVMPass(),
    ReconcileUnrealizedCastsOncePass(),
)
"""Addresses come before arith, so that an index only used as a constant in one is never cast."""
