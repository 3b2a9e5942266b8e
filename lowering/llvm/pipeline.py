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


def to_llvm(index_bitwidth: int = 64) -> tuple[ModulePass, ...]:
    """The passes down to the llvm dialect, in which `index` has so many bits.

    Addresses come before arith, so that an index only used as a constant in one is never cast.
    """
    converted = (
        ConvertFuncToLLVMPass,
        ConvertIndexToLLVMPass,
        ConvertCfToLLVMPass,
        ConvertMemRefToLLVMPass,
        ConvertVectorToLLVMPass,
        ConvertMathToLLVMPass,
        ConvertArithToLLVMPass,
    )
    ours = (one(index_bitwidth=index_bitwidth) for one in converted)
    return ConvertScfToCfOncePass(), *ours, ReconcileUnrealizedCastsOncePass()
