"""Builds ops of f32: functions, products, and what reduces rows."""

from __future__ import annotations

from abc import ABC

from xdsl.dialects.builtin import f32, i32
from xdsl.ir import Operation, SSAValue

from lowbit.argument_checks import instance, integer, real
from lowbit.op_builder import OpBuilder
from lowbit_dialect.ops.elementwise import ApplyOp, DivOp, MulOp, PreluOp
from lowbit_dialect.ops.rows import ReduceOp, TopKOp


class FloatBuilder(OpBuilder, ABC):
    """One method an op."""

    def mul(self, input: SSAValue, other: SSAValue, *, axis: int = -1) -> SSAValue:
        """Multiply f32 by a tensor of the same shape, or by a row for each channel."""
        return self.add_op(
            "lowbit.mul", lambda: MulOp(input, other, axis=integer("axis", axis)), input, other
        )

    def div(self, input: SSAValue, other: SSAValue, *, axis: int = -1) -> SSAValue:
        """Divide f32 by a tensor of the same shape, or by a row for each channel."""
        return self.add_op(
            "lowbit.div", lambda: DivOp(input, other, axis=integer("axis", axis)), input, other
        )

    def apply(
        self,
        function: str,
        input: SSAValue,
        *,
        alpha: float | None = None,
        beta: float | None = None,
    ) -> SSAValue:
        """A function of f32 by name, as `sigmoid`; `alpha` and `beta` where it has them."""

        def make() -> Operation:
            given = {"alpha": alpha, "beta": beta}
            numbers = {k: float(real(k, v)) for k, v in given.items() if v is not None}
            return ApplyOp(instance("function", function, str), input, **numbers)

        return self.add_op("lowbit.apply", make, input)

    def prelu(self, input: SSAValue, slope: SSAValue, *, axis: int = -1) -> SSAValue:
        """Multiply what is below 0 by a row for each channel."""
        return self.add_op(
            "lowbit.prelu", lambda: PreluOp(input, slope, axis=integer("axis", axis)), input, slope
        )

    def reduce(self, function: str, input: SSAValue) -> SSAValue:
        """The `sum`, `mean`, `max` or `min` of each row, the last axis, which becomes one long."""
        return self.add_op(
            "lowbit.reduce",
            lambda: ReduceOp(instance("function", function, str), input),
            input,
        )

    def top_k(
        self, input: SSAValue, count: int, *, places: bool = True, smallest: bool = False
    ) -> SSAValue:
        """The places of the largest numbers of each row, or with `places=False` these themselves."""
        return self.add_op(
            "lowbit.top_k",
            lambda: TopKOp(
                input,
                integer("count", count),
                i32 if instance("places", places, bool) else f32,
                smallest=instance("smallest", smallest, bool),
            ),
            input,
        )
