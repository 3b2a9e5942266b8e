"""The ops of a program as methods, one thin wrapper a constructor of the dialect."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

from xdsl.dialects.builtin import Float32Type, TensorType, f32, i32
from xdsl.ir import Attribute, Operation, SSAValue

from lowbit.argument_checks import instance, integer, integers, real, repeated
from lowbit.element_types import parse_element
from lowbit.float_builder import FloatBuilder
from lowbit.move_builder import MoveBuilder
from lowbit_dialect.codes import CodeType
from lowbit_dialect.ops.common import element_of
from lowbit_dialect.ops.elementwise import (
    AddOp,
    BatchNormOp,
    ClipOp,
    QuantizeOp,
    RequantizeOp,
    ThresholdOp,
)
from lowbit_dialect.ops.linear import Conv2dOp, DenseOp
from lowbit_dialect.ops.pool import AvgPoolOp, MaxPoolOp

Pair = SupportsIndex | Sequence[SupportsIndex]
"""One whole number for both axes or all sides, or each of them."""


def _code(element: str | Attribute) -> CodeType:
    code = parse_element(element)
    if not isinstance(code, CodeType):
        raise ValueError(f"expected a code such as uint2 or odd1, not {element}")
    return code


def _accumulator(input: SSAValue) -> Any:
    return f32 if isinstance(element_of(input.type), Float32Type) else i32


class Builder(FloatBuilder, MoveBuilder, ABC):
    """Methods that add one op and return its result; ValueError names an op that is wrong."""

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
        range: tuple[int, int] | None = None,
    ) -> SSAValue:
        """Convolve; weights are HWIO, or OIHW in `nchw`. The result is i32, of f32 operands f32.

        Whoever gives a `range` promises that every sum of some products of an output lies in it.
        """

        def make() -> Operation:
            options: dict[str, Any] = {
                "strides": repeated("strides", strides, 2),
                "padding": repeated("padding", padding, 4),
                "dilations": repeated("dilation", dilation, 2),
                "groups": integer("groups", groups),
                "pad_value": integer("pad_value", pad_value),
                "format": instance("format", format, str),
                "range": _range(range),
            }
            probe = Conv2dOp(input, weights, TensorType(i32, [1]), **options)
            return _shaped_as(probe, input, lambda type: Conv2dOp(input, weights, type, **options))

        return self.add_op("lowbit.conv2d", make, input, weights)

    def dense(
        self, input: SSAValue, weights: SSAValue, *, range: tuple[int, int] | None = None
    ) -> SSAValue:
        """Multiply `[M, K]` by `[K, N]`; the result is i32, of f32 operands f32, `range` that of `conv2d`."""

        def make() -> Operation:
            sums = _range(range)
            probe = DenseOp(input, weights, TensorType(i32, [1]), range=sums)
            return _shaped_as(probe, input, lambda type: DenseOp(input, weights, type, range=sums))

        return self.add_op("lowbit.dense", make, input, weights)

    def threshold(
        self,
        input: SSAValue,
        thresholds: SSAValue,
        code: str,
        *,
        flip: SSAValue | None = None,
        axis: int = -1,
    ) -> SSAValue:
        """Count the thresholds, `[C, steps]`, that each element reaches: i32, or f32."""
        return self.add_op(
            "lowbit.threshold",
            lambda: ThresholdOp(
                input, thresholds, _code(code), flip=flip, axis=integer("axis", axis)
            ),
            input,
            thresholds,
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
            lambda: RequantizeOp(
                input, scale, parse_element(element), bias=bias, axis=integer("axis", axis)
            ),
            input,
            scale,
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

        def make() -> Operation:
            limits = None
            if bounds is not None:
                low, high = repeated("bounds", bounds, 2)
                limits = low, high
            return QuantizeOp(
                input,
                scale,
                _code(code),
                zero_point=integer("zero_point", zero_point),
                rounding=rounding,
                bounds=limits,
                axis=integer("axis", axis),
            )

        return self.add_op("lowbit.quantize", make, input, scale)

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
            lambda: BatchNormOp(
                input,
                gamma,
                beta,
                mean,
                variance,
                epsilon=real("epsilon", epsilon),
                axis=integer("axis", axis),
            ),
            input,
            gamma,
            beta,
            mean,
            variance,
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
                repeated("kernel", kernel, 2),
                strides=repeated("strides", strides, 2),
                padding=repeated("padding", padding, 4),
                dilations=repeated("dilation", dilation, 2),
                format=instance("format", format, str),
            ),
            input,
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
                repeated("kernel", kernel, 2),
                strides=repeated("strides", strides, 2),
                padding=repeated("padding", padding, 4),
                divisor=None if divisor is None else integer("divisor", divisor),
                format=instance("format", format, str),
            ),
            input,
        )

    def add(self, input: SSAValue, other: SSAValue, *, axis: int = -1) -> SSAValue:
        """Add a tensor of the same shape, or a row for each channel."""
        return self.add_op(
            "lowbit.add", lambda: AddOp(input, other, axis=integer("axis", axis)), input, other
        )

    def clip(
        self, input: SSAValue, minimum: float | None = None, maximum: float | None = None
    ) -> SSAValue:
        """Clamp f32 or i32; ReLU is `minimum=0`."""

        def make() -> Operation:
            low = None if minimum is None else real("minimum", minimum)
            high = None if maximum is None else real("maximum", maximum)
            return ClipOp(input, low, high)

        return self.add_op("lowbit.clip", make, input)


def _range(given: tuple[int, int] | None) -> tuple[int, int] | None:
    """The ends of a range as whole numbers."""
    if given is None:
        return None
    ends = integers("range", given)
    if len(ends) != 2:
        raise ValueError(f"range is the smallest and the largest sum, not {len(ends)} numbers")
    return ends[0], ends[1]


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
