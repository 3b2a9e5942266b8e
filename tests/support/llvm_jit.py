"""Run text IR through conversions, and converted functions on NumPy arrays."""

import ctypes
from collections.abc import Callable, Sequence

import llvmlite.binding as llvm
import numpy as np
from xdsl.backend.llvm.convert import convert_module
from xdsl.context import Context
from xdsl.dialects import arith, builtin, cf, func, math, memref, scf, vector
from xdsl.dialects import llvm as llvm_dialect
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from lowering.llvm.pipeline import LLVM

_DIALECTS = (
    arith.Arith,
    builtin.Builtin,
    cf.Cf,
    func.Func,
    llvm_dialect.LLVM,
    math.Math,
    memref.MemRef,
    scf.Scf,
    vector.Vector,
)


def parse(text: str, *, verify: bool = True) -> ModuleOp:
    context = Context()
    for dialect in _DIALECTS:
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    if verify:
        module.verify()
    return module


def convert(module: ModuleOp, passes: Sequence[ModulePass] = LLVM) -> ModuleOp:
    """Apply the passes, verifying after each."""
    for conversion in passes:
        conversion.apply(Context(), module)
        module.verify()
    return module


class Jit:
    """The functions of a module, compiled for this machine without LLVM's IR passes."""

    def __init__(self, text: str) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        ir = str(convert_module(convert(parse(text)), fallback_target_triple=None))
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten()
        )
        parsed = llvm.parse_assembly(ir)
        parsed.verify()
        self.ir = str(parsed)
        library = llvm.JITLibraryBuilder().add_ir(self.ir)
        for function in parsed.functions:
            if not function.is_declaration:
                library.export_symbol(function.name)
        self._lljit = llvm.create_lljit_compiler(machine)
        self._tracker = library.link(self._lljit, "test")

    def function(
        self, name: str, result: type | None, *arguments: type
    ) -> Callable[..., int | float]:
        """Return the function as a C function of these ctypes types."""
        return ctypes.CFUNCTYPE(result, *arguments)(self._tracker[name])

    def __call__(self, name: str, *arrays: np.ndarray) -> None:
        """Call a function of memrefs."""
        pointers = [array.ctypes.data for array in arrays]
        self.function(name, None, *[ctypes.c_void_p] * len(arrays))(*pointers)
