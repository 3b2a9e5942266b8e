"""From the `llvm` dialect to LLVM IR as text, by xDSL's translation, constants carried as bytes.

xDSL and LLVM take constants element by element: 2 MB of them cost seconds. So a constant global is
given to LLVM as zeros of the right size, which it may not read, and `emit_object` writes the bytes
into the finished object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from llvmlite import ir
from xdsl.backend.llvm.convert import convert_module
from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FixedBitwidthType,
    IntegerAttr,
    ModuleOp,
)
from xdsl.ir import Attribute, Operation, Region
from xdsl.utils.exceptions import LLVMTranslationException

from lowering.backend.bodies import Bodies
from lowering.backend.float_extremes import write_out
from lowering.backend.machine import BackendError, data_layout, feature_string
from microkernels.target import Target

CONSTANT_ALIGNMENT = 64
"""Bytes; a cache line and the widest vector."""


_UNTRANSLATED = (
    AttributeError,
    LLVMTranslationException,
    LookupError,
    NotImplementedError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What xDSL and llvmlite raise at ops that verify and still have no meaning in LLVM IR."""


@dataclass(frozen=True)
class Translated:
    """A module for LLVM, with the bytes that do not go through it."""

    ir: str
    """LLVM IR in which the constants below are zeros."""
    constants: Mapping[str, bytes]
    """The bytes of each constant, by symbol, in the memory order of the target."""


@dataclass(frozen=True)
class _View:
    """What xDSL's translation reads of a module: it lets us replace globals and leave the module be."""

    attributes: Mapping[str, Attribute]
    ops: Iterable[Operation]


def translate(module: ModuleOp, target: Target) -> Translated:
    """Translate a module of the `llvm` dialect, which stays as it is.

    Raises `BackendError` naming the op, type or attribute that has no translation.
    """
    constants: dict[str, bytes] = {}
    ops = [_without_bytes(op, constants) for op in module.ops]
    functions = [op for op in ops if isinstance(op, llvm.FuncOp) and op.body.blocks]
    try:
        converted: Any = convert_module(
            cast(ModuleOp, _View(module.attributes, [_without_body(op) for op in ops])),
            fallback_target_triple=target.triple,
            data_layout=data_layout(target),
        )
        bodies = Bodies(converted)
        for function in functions:
            bodies.write(function)
    except _UNTRANSLATED as error:
        reason = str(error) or type(error).__name__
        raise BackendError(f"no translation to LLVM IR: {reason}") from error
    if converted.triple != target.triple:
        raise BackendError(f"the module is for {converted.triple}, the target for {target.triple}")
    converted.name = ""
    for op in ops:
        _complete(op, converted, constants)
    text = str(converted)
    if not target.architecture.float_extremes:
        text = write_out(text)
    return Translated(_with_attributes(text, target), MappingProxyType(constants))


def _without_bytes(op: Operation, constants: dict[str, bytes]) -> Operation:
    """Return a global whose value is recorded in `constants`, or `op` itself if it is anything else."""
    if not isinstance(op, llvm.GlobalOp) or op.constant is None:
        return op
    if not isinstance(op.value, DenseIntOrFPElementsAttr):
        return op
    name, value = op.sym_name.data, cast(DenseIntOrFPElementsAttr[Any], op.value)
    held = _bytes(value)
    if held is None:
        return op
    count, size = _extent(op.global_type)
    if count * size != len(held):
        raise BackendError(
            f"llvm.mlir.global @{name} of type {op.global_type} takes {count * size} bytes, not {len(held)}"
        )
    constants[name] = held
    return llvm.GlobalOp(op.global_type, name, op.linkage, constant=True)


def _without_body(op: Operation) -> Operation:
    """Return a function as a declaration, or `op` itself if it is anything else."""
    if not isinstance(op, llvm.FuncOp):
        return op
    return llvm.FuncOp.create(properties=op.properties, regions=[Region()])


def _bytes(value: DenseIntOrFPElementsAttr[Any]) -> bytes | None:
    element = value.get_element_type()
    if not isinstance(element, FixedBitwidthType) or element.bitwidth % 8:
        return None
    held = value.data.data
    count = 1
    for extent in value.get_shape():
        count *= extent
    if len(value) == 1:
        return held * count  # a splat keeps one element
    return held


def _extent(type_: Attribute) -> tuple[int, int]:
    """Count the elements of a global's type and give the bytes of one."""
    count = 1
    while isinstance(type_, llvm.LLVMArrayType):
        count *= type_.size.data
        type_ = type_.type
    if not isinstance(type_, FixedBitwidthType) or type_.bitwidth % 8:
        raise BackendError(f"a constant of type {type_} has no byte form")
    return count, type_.bitwidth // 8


def _complete(op: Operation, converted: Any, constants: Mapping[str, bytes]) -> None:
    """Add to a translated symbol what xDSL drops: alignment, section and privacy."""
    if isinstance(op, llvm.FuncOp):
        visibility = op.sym_visibility
        if visibility is not None and visibility.data == "private" and op.body.blocks:
            converted.get_global(op.sym_name.data).linkage = "internal"
    if not isinstance(op, llvm.GlobalOp):
        return
    name = op.sym_name.data
    variable = converted.get_global(name)
    if isinstance(op.alignment, IntegerAttr):
        variable.align = op.alignment.value.data
    if op.section is not None:
        variable.section = op.section.data
    if name in constants:
        variable.align = CONSTANT_ALIGNMENT
        variable.initializer = ir.Constant(variable.value_type, None)
        # Its value may not be assumed: the object gets other bytes.
        variable.storage_class = "externally_initialized"
        if variable.linkage == "private":
            variable.linkage = "internal"  # a private symbol is in no table, where we look for it
    if variable.initializer is not None and variable.linkage == "external":
        variable.linkage = ""  # LLVM spells a definition so, and a mere declaration `external`


def _with_attributes(text: str, target: Target) -> str:
    """Give every function the attributes that xDSL and llvmlite cannot express."""
    width = target.simd_bits
    # The ABI aligns the stack to 16 bytes: three in four spilled registers of 64 would straddle two lines
    # (C9, uint4 by odd1, 7 x 2 outputs of look-ups: 332 us, so 289; Cascade Lake, 2026-11).
    realigned = '"stackrealign" ' if width > 128 else ""
    attributes = (
        f'attributes #0 = {{ nounwind {realigned}"no-builtins" "prefer-vector-width"="{width}" '
        # Without it LLVM cuts what is wider in registers of 512 bits where there are such.
        f'"min-legal-vector-width"="{width}" '
        f'"target-cpu"="{target.cpu}" "target-features"="{feature_string(target)}" }}'
    )
    return re.sub(r"^(define .*)$", r"\1 #0", text, flags=re.MULTILINE) + f"\n{attributes}\n"
