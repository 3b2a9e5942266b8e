"""What a record is about: an op by the canonical text of itself alone, and what makes two ops alike.

    conv2d 3x3 uint2 x odd1: 1x56x56x64 to 64

is how a person reads an op; ops with the same text before the colon are alike, and the nearer in size the
likelier that what is fast for one is fast for the other.
"""

from __future__ import annotations

import re
from hashlib import sha256
from math import inf, log2

from xdsl.ir import Attribute, Operation, SSAValue

from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.linear import Conv2dOp, LinearOp


def key_of(op: LinearOp) -> str:
    """A hash of the canonical text: of shapes, elements, layouts, ranges, pads and epilogue, not of names."""
    return sha256(canonical_text(op).encode()).hexdigest()[:32]


def canonical_text(op: LinearOp) -> str:
    """An op and the steps of its epilogue that count, values by number, without its schedule."""
    numbers: dict[SSAValue, int] = {}
    lines = [_line(op, numbers)]
    if op.epilogue.blocks:
        block = op.epilogue.block
        assert block.last_op is not None
        lines.append(_value(block.args[0], numbers))
        lines += [_line(step, numbers) for step in _chain(block.last_op)]
    return "\n".join(lines)


def described(op: LinearOp) -> str:
    """An op for a person: `conv2d 3x3/2x2 uint2 x odd1: 1x56x56x64 to 128`, `dense i8 x i8: 1x512 to 10`."""
    work = op.contraction
    elements = f"{_spelled(work.activation)} x {_spelled(work.weight)}"
    if not isinstance(op, Conv2dOp):
        return f"dense {elements}: {work.window.columns.size}x{work.inputs} to {work.outputs}"
    axes = work.window.rows, work.window.columns
    window = "x".join(str(axis.kernel) for axis in axes)
    if any(axis.stride > 1 for axis in axes):
        window += "/" + "x".join(str(axis.stride) for axis in axes)
    if any(axis.dilation > 1 for axis in axes):
        window += " apart " + "x".join(str(axis.dilation) for axis in axes)
    groups = f" in {work.groups} groups" if work.groups > 1 else ""
    form = "" if op.format.data == "nhwc" else f" {op.format.data}"
    sizes = work.batch, *(axis.size for axis in axes), work.groups * work.inputs
    return (
        f"conv2d {window}{groups} {elements}{form}: {'x'.join(map(str, sizes))} "
        f"to {work.groups * work.outputs}"
    )


def distance(first: str, second: str) -> float:
    """How far apart in size two `described` ops are, 1 for each doubling; inf if they are not alike."""
    (kind, sizes), (other, others) = _parts(first), _parts(second)
    if kind != other or len(sizes) != len(others) or not all((*sizes, *others)):
        return inf
    return sum(abs(log2(one / two)) for one, two in zip(sizes, others))


def _parts(text: str) -> tuple[str, list[int]]:
    kind, _, sizes = text.partition(": ")
    return kind, [int(size) for size in re.findall(r"\d{1,12}", sizes, re.ASCII)]


def _spelled(element: Attribute) -> str:
    return element.spelling if isinstance(element, CodeType) else str(element)


def _line(op: Operation, numbers: dict[SSAValue, int]) -> str:
    operands = ", ".join(_value(value, numbers) for value in op.operands)
    results = ", ".join(_value(value, numbers) for value in op.results)
    named = sorted((n, str(value)) for n, value in op.properties.items() if n != "schedule")
    properties = ", ".join(f"{name} = {value}" for name, value in named)
    return f"{results} = {op.name} {operands} {{{properties}}}"


def _value(value: SSAValue, numbers: dict[SSAValue, int]) -> str:
    return f"%{numbers.setdefault(value, len(numbers))}: {value.type}"


def _chain(last: Operation) -> list[Operation]:
    """From an accumulator to what is made of it: each op reads the one before as its first operand."""
    chain = [last]
    while isinstance(before := chain[-1].operands[0].owner, Operation):
        chain.append(before)
    return chain[::-1]
