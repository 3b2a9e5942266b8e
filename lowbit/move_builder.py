"""Builds ops that move elements, and change none."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from lowbit.argument_checks import instance, integer, integers, real
from lowbit.op_builder import OpBuilder
from lowbit_dialect.layout import Layout, with_layout
from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.ops.conversions import BitpackOp
from lowbit_dialect.ops.movement import ConcatOp, ExtractSliceOp, PadOp, RepeatOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp


class MoveBuilder(OpBuilder, ABC):
    """One method an op."""

    def reshape(self, input: SSAValue, shape: Sequence[int]) -> SSAValue:
        """Give the same elements another shape."""
        return self.add_op(
            "lowbit.reshape",
            lambda: ReshapeOp(input, TensorType(element_of(input.type), integers("shape", shape))),
            input,
        )

    def transpose(self, input: SSAValue, permutation: Sequence[int]) -> SSAValue:
        """Permute the axes: axis `i` of the result is axis `permutation[i]` of the input."""
        return self.add_op(
            "lowbit.transpose",
            lambda: TransposeOp(input, integers("permutation", permutation)),
            input,
        )

    def concat(self, inputs: Sequence[SSAValue], axis: int) -> SSAValue:
        """Tensors one after another along an axis."""
        values = list(inputs)
        return self.add_op(
            "lowbit.concat", lambda: ConcatOp(values, integer("axis", axis)), *values
        )

    def extract_slice(
        self,
        input: SSAValue,
        starts: Sequence[int],
        sizes: Sequence[int],
        steps: Sequence[int] | None = None,
    ) -> SSAValue:
        """From each axis `sizes` elements, from `starts` on and `steps` (1) apart."""
        return self.add_op(
            "lowbit.extract_slice",
            lambda: ExtractSliceOp(
                input,
                integers("starts", starts),
                integers("sizes", sizes),
                None if steps is None else integers("steps", steps),
            ),
            input,
        )

    def pad(
        self,
        input: SSAValue,
        low: Sequence[int],
        high: Sequence[int],
        value: float = 0,
        interior: Sequence[int] | None = None,
    ) -> SSAValue:
        """Put `value` before the first, behind the last and between any two elements of each axis."""
        return self.add_op(
            "lowbit.pad",
            lambda: PadOp(
                input,
                integers("low", low),
                integers("high", high),
                real("value", value),
                None if interior is None else integers("interior", interior),
            ),
            input,
        )

    def repeat(self, input: SSAValue, factors: Sequence[int]) -> SSAValue:
        """Each element so many times in a row along each axis, as `numpy.repeat`: broadcasting too."""
        return self.add_op(
            "lowbit.repeat", lambda: RepeatOp(input, integers("factors", factors)), input
        )

    def bitpack(self, input: SSAValue, layout: Layout) -> SSAValue:
        """Store codes as words of bit planes, as `Layout.of("d0, planes, d1 by 32")` or `Layout.tvm`."""
        element = element_of(input.type)
        return self.add_op(
            "lowbit.bitpack",
            lambda: BitpackOp(
                input,
                with_layout(
                    TensorType(element, shape_of(input)), instance("layout", layout, Layout)
                ),
            ),
            input,
        )
