"""Programs as tests build them, and the data they run on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    Float32Type,
    FunctionType,
    ModuleOp,
    TensorType,
    UnitAttr,
    f32,
    i8,
    i16,
    i32,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from lowbit_dialect.codes import CodeType, parse_code
from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import Layout, LayoutAttr, storage_dtype
from lowbit_dialect.ops.common import image_shape, value_range
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr

Array = npt.NDArray[Any]
FILLS = ("random", "minimum", "maximum", "alternating", "zeros")
PLAIN: dict[str, Attribute] = {"i8": i8, "i16": i16, "i32": i32, "f32": f32}


def element(spelling: str | Attribute) -> Attribute:
    """An element type by its short name."""
    if isinstance(spelling, Attribute):
        return spelling
    return PLAIN[spelling] if spelling in PLAIN else parse_code(spelling)


@dataclass
class Net:
    """A function in the making: `input`, `constant` and `add`, then `module`."""

    block: Block = field(default_factory=Block)
    constants: list[bool] = field(default_factory=list[bool])

    def input(
        self,
        shape: Sequence[int],
        kind: str | Attribute,
        *,
        constant: bool = False,
        layout: Layout | None = None,
    ) -> SSAValue:
        """An argument; `constant` marks it as one that `lowbit-pack` may pack ahead."""
        encoding = LayoutAttr(layout) if layout else None
        type = TensorType(element(kind), shape, *([encoding] if encoding else []))
        value = self.block.insert_arg(type, len(self.block.args))
        value.name_hint = f"x{len(self.constants)}"
        self.constants.append(constant)
        return value

    def constant(self, values: Array, kind: str | Attribute) -> SSAValue:
        """A tensor of known values."""
        return self.add(ConstantOp.of(values, element(kind)))

    def add(self, op: Operation) -> SSAValue:
        """Append an op and return its result."""
        self.block.add_op(op)
        return op.results[0]

    def conv2d(
        self, x: SSAValue, w: SSAValue, *, schedule: Schedule | None = None, **options: Any
    ) -> SSAValue:
        """Append a convolution to i32 (f32 on f32, i64 with `accumulator=i64`)."""
        accumulator = options.pop("accumulator", None)
        format, kinds = options.get("format", "nhwc"), (x.type, w.type)
        assert all(isinstance(kind, TensorType) for kind in kinds)
        shapes = [tuple(kind.get_shape()) for kind in kinds]  # pyright: ignore
        at, kernel, out = ((1, 2), shapes[1][:2], 3)
        if format == "nchw":
            at, kernel, out = ((2, 3), shapes[1][2:], 0)
        window = Window.of(
            [shapes[0][a] for a in at],
            kernel,
            *(options.get(k, d) for k, d in _WINDOW),
        )
        shape = image_shape(format, shapes[0][0], window.out, shapes[1][out])
        result = TensorType(accumulator or accumulator_for(x), shape)
        attr = ScheduleAttr(schedule) if schedule else None
        return self.add(Conv2dOp(x, w, result, schedule=attr, **options))

    def dense(
        self,
        x: SSAValue,
        w: SSAValue,
        *,
        schedule: Schedule | None = None,
        accumulator: Attribute | None = None,
    ) -> SSAValue:
        """Append a matrix product."""
        shape = (x.type.get_shape()[0], w.type.get_shape()[1])  # pyright: ignore
        attr = ScheduleAttr(schedule) if schedule else None
        result = TensorType(accumulator or accumulator_for(x), shape)
        return self.add(DenseOp(x, w, result, schedule=attr))

    def module(self, *results: SSAValue) -> ModuleOp:
        """The module of one function `@main` that returns `results`."""
        self.block.add_op(ReturnOp(*results))
        types = [a.type for a in self.block.args], [r.type for r in results]
        attributes = [
            DictionaryAttr({"lowbit.constant": UnitAttr()} if c else {}) for c in self.constants
        ]
        func = FuncOp(
            "main",
            FunctionType.from_lists(*types),
            Region(self.block),
            arg_attrs=ArrayAttr(attributes),
        )
        return ModuleOp([func])


_WINDOW = (("strides", (1, 1)), ("padding", (0, 0, 0, 0)), ("dilations", (1, 1)))


def accumulator_for(x: SSAValue) -> Attribute:
    """What products with elements of `x` are summed in."""
    kind = x.type.element_type  # pyright: ignore
    return f32 if kind == f32 else i32


def wraps(activation: Attribute, weight: Attribute, depth: int) -> bool:
    """Whether a sum of `depth` products may leave i32."""
    if isinstance(activation, Float32Type):
        return False
    sizes = [max(map(abs, value_range(kind))) for kind in (activation, weight)]
    return depth * sizes[0] * sizes[1] > 2**31 - 1


def data(kind: Attribute, shape: Sequence[int], fill: str, random: np.random.Generator) -> Array:
    """Values of an element type: random over its range, or one of the extremes everywhere."""
    if isinstance(kind, Float32Type):
        low, high, values = np.float32(-3), np.float32(5), random.standard_normal(shape)
    elif isinstance(kind, CodeType):
        low, high = kind.minimum, kind.maximum
        values = random.choice(np.array(kind.values()), tuple(shape))
    else:
        low, high = value_range(kind)
        values = random.integers(low, high + 1, tuple(shape))
    dtype = storage_dtype(kind)
    match fill:
        case "random":
            return np.asarray(values, dtype)
        case "minimum":
            return np.full(shape, low, dtype)
        case "maximum":
            return np.full(shape, high, dtype)
        case "alternating":
            odd = np.indices(tuple(shape)).sum(0) % 2
            return np.where(odd, low, high).astype(dtype)
        case _:
            odd_code = isinstance(kind, CodeType) and kind.is_odd
            return np.full(shape, 1 if odd_code else 0, dtype)


def inputs(module: ModuleOp, fills: Sequence[str], seed: int) -> list[Array]:
    """Arguments for a module: each filled by the fill at its place, the last one from there on."""
    random = np.random.default_rng(seed)
    func = next(f for f in module.ops if isinstance(f, FuncOp))
    types = [argument.type for argument in func.body.block.args]
    return [
        data(t.element_type, t.get_shape(), fills[min(i, len(fills) - 1)], random)  # pyright: ignore
        for i, t in enumerate(types)
    ]


def with_shape(value: SSAValue, shape: Sequence[int]) -> TensorType[Any]:
    """A tensor type with the element of `value`."""
    return TensorType(value.type.element_type, shape)  # pyright: ignore
