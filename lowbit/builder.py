"""The ops of a program as methods, one thin wrapper a constructor of the dialect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from xdsl.dialects.builtin import Float32Type, TensorType, f32, i32
from xdsl.ir import Attribute, Operation, SSAValue

from lowbit.elements import parse_element
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Layout, with_layout
from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.ops.elementwise import (
    AddOp,
    BatchNormOp,
    ClipOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.layout import BitpackOp, ReshapeOp, TransposeOp
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp

Pair = int | Sequence[int]


def pair(value: Pair) -> tuple[int, ...]:
    """Height and width from one number for both, or from both."""
    return (value, value) if isinstance(value, int) else tuple(int(v) for v in value)


def sides(value: Pair) -> tuple[int, ...]:
    """Padding top, left, bottom, right from one number for all, or from all four."""
    return (value,) * 4 if isinstance(value, int) else tuple(int(v) for v in value)


def _code(element: str | Attribute) -> CodeType:
    code = parse_element(element)
    if not isinstance(code, CodeType):
        raise ValueError(f"expected a code such as uint2 or odd1, not {element}")
    return code


def _accumulator(input: SSAValue) -> Any:
    return f32 if isinstance(element_of(input.type), Float32Type) else i32


class Builder(ABC):
    """Methods that add one op and return its result; ValueError names an op that is wrong."""

    @abstractmethod
    def add_op(self, name: str, make: Callable[[], Operation]) -> SSAValue:
        """Build an op, verify it, add it and return its result."""

    def conv2d(
        self,
        input: SSAValue,
        weights: SSAValue,
        *,
        strides: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        pad_value: int = 0,
        format: str = "nhwc",
    ) -> SSAValue:
        """Convolve; weights are HWIO, or OIHW in `nchw`. The result is i32, of f32 operands f32."""

        def make() -> Operation:
            options: dict[str, Any] = {
                "strides": pair(strides),
                "padding": sides(padding),
                "dilations": pair(dilation),
                "groups": groups,
                "pad_value": pad_value,
                "format": format,
            }
            probe = Conv2dOp(input, weights, TensorType(i32, [1]), **options)
            return _shaped_as(probe, input, lambda type: Conv2dOp(input, weights, type, **options))

        return self.add_op("lowbit.conv2d", make)

    def dense(self, input: SSAValue, weights: SSAValue) -> SSAValue:
        """Multiply `[M, K]` by `[K, N]`; the result is i32, of f32 operands f32."""

        def make() -> Operation:
            probe = DenseOp(input, weights, TensorType(i32, [1]))
            return _shaped_as(probe, input, lambda type: DenseOp(input, weights, type))

        return self.add_op("lowbit.dense", make)

    def threshold(
        self,
        input: SSAValue,
        thresholds: SSAValue,
        code: str,
        *,
        flip: SSAValue | None = None,
        axis: int = -1,
    ) -> SSAValue:
        """Count the thresholds, `[C, steps]` of i32, that each i32 reaches."""
        return self.add_op(
            "lowbit.threshold",
            lambda: ThresholdOp(input, thresholds, _code(code), flip=flip, axis=axis),
        )

    def requantize(
        self,
        input: SSAValue,
        scale: SSAValue,
        element: str = "f32",
        *,
        bias: SSAValue | None = None,
        axis: int = -1,
    ) -> SSAValue:
        """Scale integers by a row for each channel."""
        return self.add_op(
            "lowbit.requantize",
            lambda: RequantizeOp(input, scale, parse_element(element), bias=bias, axis=axis),
        )

    def quantize(
        self,
        input: SSAValue,
        scale: SSAValue,
        code: str,
        *,
        zero_point: int = 0,
        rounding: str = "half_even",
        bounds: tuple[int, int] | None = None,
        axis: int = -1,
    ) -> SSAValue:
        """Quantise f32 to codes."""
        return self.add_op(
            "lowbit.quantize",
            lambda: QuantizeOp(
                input,
                scale,
                _code(code),
                zero_point=zero_point,
                rounding=rounding,
                bounds=bounds,
                axis=axis,
            ),
        )

    def batch_norm(
        self,
        input: SSAValue,
        gamma: SSAValue,
        beta: SSAValue,
        mean: SSAValue,
        variance: SSAValue,
        *,
        epsilon: float = 1e-5,
        axis: int = -1,
    ) -> SSAValue:
        """Normalise f32 by a row of each table for each channel."""
        return self.add_op(
            "lowbit.batch_norm",
            lambda: BatchNormOp(input, gamma, beta, mean, variance, epsilon=epsilon, axis=axis),
        )

    def max_pool(
        self,
        input: SSAValue,
        kernel: Pair,
        *,
        strides: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        format: str = "nhwc",
    ) -> SSAValue:
        """Take the largest element under a window."""
        return self.add_op(
            "lowbit.max_pool",
            lambda: MaxPoolOp(
                input,
                pair(kernel),
                strides=pair(strides),
                padding=sides(padding),
                dilations=pair(dilation),
                format=format,
            ),
        )

    def avg_pool(
        self,
        input: SSAValue,
        kernel: Pair,
        *,
        strides: Pair = 1,
        padding: Pair = 0,
        divisor: int | None = None,
        format: str = "nhwc",
    ) -> SSAValue:
        """Average under a window, rounding down; a divisor of 1 keeps the sum."""
        return self.add_op(
            "lowbit.avg_pool",
            lambda: AvgPoolOp(
                input,
                pair(kernel),
                strides=pair(strides),
                padding=sides(padding),
                divisor=divisor,
                format=format,
            ),
        )

    def add(self, input: SSAValue, other: SSAValue, *, axis: int = -1) -> SSAValue:
        """Add a tensor of the same shape, or a row for each channel."""
        return self.add_op("lowbit.add", lambda: AddOp(input, other, axis=axis))

    def clip(
        self, input: SSAValue, minimum: float | None = None, maximum: float | None = None
    ) -> SSAValue:
        """Clamp f32 or i32; ReLU is `minimum=0`."""
        return self.add_op("lowbit.clip", lambda: ClipOp(input, minimum, maximum))

    def reshape(self, input: SSAValue, shape: Sequence[int]) -> SSAValue:
        """Give the same elements another shape."""
        return self.add_op(
            "lowbit.reshape",
            lambda: ReshapeOp(input, TensorType(element_of(input.type), list(shape))),
        )

    def transpose(self, input: SSAValue, permutation: Sequence[int]) -> SSAValue:
        """Permute the axes: axis `i` of the result is axis `permutation[i]` of the input."""
        return self.add_op("lowbit.transpose", lambda: TransposeOp(input, permutation))

    def bitpack(self, input: SSAValue, layout: Layout) -> SSAValue:
        """Store codes as words of bit planes, as `Layout.of("d0, planes, d1 by 32")` or `Layout.tvm`."""
        element = element_of(input.type)
        return self.add_op(
            "lowbit.bitpack",
            lambda: BitpackOp(input, with_layout(TensorType(element, shape_of(input)), layout)),
        )


def _shaped_as(
    probe: Conv2dOp | DenseOp, input: SSAValue, make: Callable[[Any], Operation]
) -> Operation:
    """The op that `make` builds with the result type that `probe`, the same op, computes."""
    try:
        shape = probe.output_shape()
    except (ValueError, IndexError, ZeroDivisionError):
        shape = (1,)  # its verifier says what is wrong
    finally:
        probe.drop_all_references()
    if min(shape, default=0) < 1:
        shape = (1,)
    return make(TensorType(_accumulator(input), shape))
