"""Every pass and dialect of lowbit, once: name -> "module:Class", loaded when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from xdsl.context import Context
from xdsl.passes import ModulePass
from xdsl.universe import Universe
from xdsl.utils.arg_spec import ArgSpec

from lowbit_dialect.spelling import did_you_mean

DIALECTS = {"lowbit": "lowbit_dialect.dialect:Lowbit"}

PASSES = {
    "lowbit-fuse": "lowering.lowbit_fuse:LowbitFusePass",
    "lowbit-plan": "autotune.plan:LowbitPlanPass",
    "lowbit-pack": "lowering.lowbit_pack:LowbitPackPass",
    "lowbit-bufferize": "lowering.lowbit_bufferize:LowbitBufferizePass",
    "lowbit-layers": "lowering.lowbit_layers:LowbitLayersPass",
    "lowbit-tile": "lowering.lowbit_tile:LowbitTilePass",
    "lowbit-expand-microkernels": (
        "lowering.lowbit_expand_microkernels:LowbitExpandMicrokernelsPass"
    ),
    "convert-arith-to-llvm": "lowering.llvm.convert_arith_to_llvm:ConvertArithToLLVMPass",
    "convert-cf-to-llvm": "lowering.llvm.convert_cf_to_llvm:ConvertCfToLLVMPass",
    "convert-func-to-llvm": "lowering.llvm.convert_func_to_llvm:ConvertFuncToLLVMPass",
    "convert-index-to-llvm": "lowering.llvm.convert_index_to_llvm:ConvertIndexToLLVMPass",
    "convert-math-to-llvm": "lowering.llvm.convert_math_to_llvm:ConvertMathToLLVMPass",
    "convert-memref-to-llvm": "lowering.llvm.convert_memref_to_llvm:ConvertMemRefToLLVMPass",
    "convert-vector-to-llvm": "lowering.llvm.convert_vector_to_llvm:ConvertVectorToLLVMPass",
}


def _loader(reference: str) -> Callable[[], Any]:
    module, _, name = reference.partition(":")
    return lambda: getattr(import_module(module), name)


LOWBIT_UNIVERSE = Universe(
    all_dialects={name: _loader(where) for name, where in DIALECTS.items()},
    all_passes={name: _loader(where) for name, where in PASSES.items()},
)
"""What the entry point `xdsl.universe` names, so that stock `xdsl-opt` has all of it too."""


def find_pass(spec: ArgSpec) -> ModulePass:
    """The pass of a name with its options, of xDSL, lowbit or an installed package; raises ValueError."""
    known = Universe.get_multiverse().all_passes | LOWBIT_UNIVERSE.all_passes
    if spec.name not in known:
        listed = f"; those of lowbit are {', '.join(PASSES)}, and xDSL has its own"
        hint = did_you_mean(spec.name, known) or listed
        raise ValueError(f"unknown pass '{spec.name}'{hint}")
    try:
        return known[spec.name]().from_spec(spec)
    except ValueError as error:
        raise ValueError(f"pass '{spec.name}': {error}") from error


_STOCK = ("arith", "builtin", "cf", "func", "llvm", "math", "memref", "scf", "vector")


def context() -> Context:
    """A context with the dialects that any stage of a program uses, loaded on first sight."""
    from xdsl.dialects import get_all_dialects

    stock = get_all_dialects()
    result = Context()
    for name in _STOCK:
        result.register_dialect(name, stock[name])
    for name, load in LOWBIT_UNIVERSE.all_dialects.items():
        result.register_dialect(name, load)
    return result
