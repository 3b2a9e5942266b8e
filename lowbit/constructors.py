"""Programs of one op, and programs from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from xdsl.ir import SSAValue

from lowbit.argument_checks import instance, integer, integers
from lowbit.builder import Pair
from lowbit.program import Program, parse_module
from lowbit_dialect.layout import Array

if TYPE_CHECKING:
    from lowbit_dialect.importers.onnx_model import ModelProto

DEFAULT_CONSTANT = ("w",)


def conv2d(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    activation: str,
    weight: str,
    *,
    strides: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    pad_value: int = 0,
    format: str = "nhwc",
    constant: str | Sequence[str] = DEFAULT_CONSTANT,
    weights: Array | None = None,
) -> Program:
    """A program of one convolution of `x` with `w`.

    Shapes are NHWC and HWIO, or NCHW and OIHW in `nchw`. Arguments named in `constant` are packed ahead;
    `weights` makes `w` part of the program. Raises ValueError for an operator that is not legal.
    """
    program = Program()
    x, w = _operands(program, (input_shape, weight_shape), (activation, weight), constant, weights)
    y = program.conv2d(
        x,
        w,
        strides=strides,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_value=pad_value,
        format=format,
    )
    y.name_hint = "y"
    program.output(y)
    return program


def dense(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    activation: str,
    weight: str,
    *,
    constant: str | Sequence[str] = DEFAULT_CONSTANT,
    weights: Array | None = None,
) -> Program:
    """A program of one matrix product of `x`, `[M, K]`, with `w`, `[K, N]`."""
    program = Program()
    x, w = _operands(program, (input_shape, weight_shape), (activation, weight), constant, weights)
    y = program.dense(x, w)
    y.name_hint = "y"
    program.output(y)
    return program


def _operands(
    program: Program,
    shapes: tuple[Sequence[int], Sequence[int]],
    elements: tuple[str, str],
    constant: str | Sequence[str],
    weights: Array | None,
) -> tuple[SSAValue, SSAValue]:
    listed = instance("constant", constant, Iterable)
    constant = (constant,) if isinstance(constant, str) else tuple(listed)
    unknown = [name for name in constant if name not in ("x", "w")]
    if unknown:
        raise ValueError(f"constant names 'x' or 'w', not '{unknown[0]}'")
    x = program.input(shapes[0], elements[0], name="x", constant="x" in constant)
    if weights is None:
        w = program.input(shapes[1], elements[1], name="w", constant="w" in constant)
    else:
        given, asked = np.shape(weights), integers("shape", shapes[1])
        if given != asked:
            raise ValueError(f"weights have shape {given}, not {asked}")
        w = program.constant(weights, elements[1])
        w.name_hint = "w"
    return x, w


def parse(source: str | Path) -> Program:
    """Read a program from text, or from a `.mlir` file.

    Raises ValueError naming the line and what is wrong.
    """
    from lowbit.lowered import program_of

    return program_of(parse_module(source))


def import_model(
    model: str | Path | bytes | ModelProto,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
) -> Program:
    """Read a QONNX or ONNX model, a file or what it holds, as a program.

    Where the file leaves extents open, `shapes` has the shape of an input by name, and `batch` is the first
    extent of every other one. Raises ValueError naming the file and the node that cannot be read.
    """
    from lowbit_dialect.importers import Extents, ImportFailed, import_onnx

    given = instance("shapes", {} if shapes is None else shapes, Mapping).items()
    known = {name: integers(f"the shape of {name!r:.60}", shape) for name, shape in given}
    extents = Extents(known, None if batch is None else integer("batch", batch))
    try:
        return Program(import_onnx(model, extents))
    except ImportFailed as error:
        path = str(model) if isinstance(model, str | Path) else "the model"
        origin = path if len(path) < 200 and path.isprintable() else f"{path!r:.60}..."
        raise ValueError(f"{origin}: {error}") from error
