"""Run text IR through conversions, and converted functions on NumPy arrays."""

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from textwrap import dedent

import llvmlite.binding as llvm
import numpy as np
from xdsl.backend.llvm.convert import convert_module
from xdsl.context import Context
from xdsl.dialects import arith, builtin, cf, func, math, memref, scf, vector
from xdsl.dialects import llvm as llvm_dialect
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from lowering.llvm.pipeline import to_llvm

COUNT = 64
"""Elements of an array that a converted function takes."""

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


def convert(module: ModuleOp, passes: Sequence[ModulePass] = to_llvm()) -> ModuleOp:
    """Apply the passes, verifying after each."""
    for conversion in passes:
        conversion.apply(Context(), module)
        module.verify()
    return module


def body(module: ModuleOp) -> str:
    """Return the text of what the module holds, without its own line and indent."""
    return dedent("\n".join(str(module).splitlines()[1:-1]))


def assert_converts(conversion: ModulePass, before: str, after: str) -> None:
    """Compare text with what one pass makes of it, letter by letter."""
    assert body(convert(parse(before), [conversion])) == dedent(after).strip()


class Jit:
    """The functions of a module, compiled for this machine without LLVM's IR passes."""

    def __init__(self, program: str | ModuleOp) -> None:
        module = parse(program) if isinstance(program, str) else program
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        ir = str(convert_module(convert(module), fallback_target_triple=None))
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten()
        )
        parsed = llvm.parse_assembly(ir)
        parsed.verify()
        library = llvm.JITLibraryBuilder().add_ir(str(parsed))
        for function in parsed.functions:
            if not function.is_declaration:
                library.export_symbol(function.name)
        self._lljit = llvm.create_lljit_compiler(machine)
        self._symbols = library.link(self._lljit, "test")

    def function(
        self, name: str, result: type | None, *arguments: type
    ) -> Callable[..., int | float]:
        """Return the function as a C function of these ctypes types."""
        return partial(self._call, ctypes.CFUNCTYPE(result, *arguments)(self._symbols[name]))

    def _call(self, function: Callable[..., int | float], *values: int | float) -> int | float:
        """Call a function; a method, so that the code lives as long as what calls it."""
        return function(*values)

    def __call__(self, name: str, *arrays: np.ndarray) -> None:
        """Call a function of memrefs."""
        pointers = [array.ctypes.data for array in arrays]
        self.function(name, None, *[ctypes.c_void_p] * len(arrays))(*pointers)


def data(width: int, seed: int, *, unsigned: bool = False) -> np.ndarray:
    """Return the ends of the range and random numbers between."""
    dtype = np.dtype(f"{'u' if unsigned else ''}int{width}")
    info = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    values = rng.integers(info.min, info.max, COUNT, dtype=dtype, endpoint=True)
    ends = np.array([info.min, info.max, info.min + 1, 0, 1, info.max // 2], dtype)
    values[: len(ends)] = rng.permutation(ends)
    return values


def elementwise(name: str, types: Sequence[str], result: str, ops: str, count: int = COUNT) -> str:
    """Return a function that does `ops`, from %0, %1, ... to %r, on each of `count` elements."""
    arguments = ", ".join(f"%a{i}: memref<{count}x{t}>" for i, t in enumerate(types))
    loads = "\n".join(
        f"%{i} = memref.load %a{i}[%i] : memref<{count}x{t}>" for i, t in enumerate(types)
    )
    return f"""
    func.func @{name}({arguments}, %o: memref<{count}x{result}>) {{
      %begin = arith.constant 0 : index
      %step = arith.constant 1 : index
      %end = arith.constant {count} : index
      scf.for %i = %begin to %end step %step {{
        {loads}
        {ops}
        memref.store %r, %o[%i] : memref<{count}x{result}>
      }}
      func.return
    }}"""


def vectorwise(name: str, types: Sequence[str], result: str, ops: str, count: int = COUNT) -> str:
    """Return a function that does `ops`, from %0, %1, ... to %r, on vectors of `count` elements."""
    arguments = ", ".join(f"%a{i}: memref<{count}x{t}>" for i, t in enumerate(types))
    loads = "\n".join(
        f"%{i} = vector.load %a{i}[%z] : memref<{count}x{t}>, vector<{count}x{t}>"
        for i, t in enumerate(types)
    )
    return f"""
    func.func @{name}({arguments}, %o: memref<{count}x{result}>) {{
      %z = arith.constant 0 : index
      {loads}
      {ops}
      vector.store %r, %o[%z] : memref<{count}x{result}>, vector<{count}x{result}>
      func.return
    }}"""
