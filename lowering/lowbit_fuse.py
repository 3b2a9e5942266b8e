"""`lowbit-fuse`: elementwise ops move into the epilogue of their producer, and become thresholds.

Needs functions on tensors; leaves each `conv2d` and `dense` with the elementwise ops that followed it in
its epilogue, where their operands are constants or arguments. A chain of float ops that ends in
`lowbit.quantize` (scale, batch norm, clip) becomes one integer `lowbit.threshold`:

    %y = lowbit.conv2d ... -> tensor<..xi32>
    %r = lowbit.requantize %y, %s ...      %q = lowbit.quantize %r, %t ... -> tensor<..x!lowbit.uint<2>>
    ->  %q = lowbit.conv2d ... epilogue { ^bb0(%a: i32):
              %c = lowbit.threshold %a, %thresholds ...  lowbit.yield %c } ... -> tensor<..x!lowbit.uint<2>>

The thresholds are found by evaluating the chain in `reference.py`: where it is monotone over the
accumulator's range, rounding included, a bisection for each channel and step finds the integer at which the
code changes. Ties come out as the source has them, since nothing is rearranged. A chain that is neither
proved monotone (`lowbit_dialect.monotone`) nor, over a small range, seen to be stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import Array, layout_of
from lowbit_dialect.monotone import Interval, NotMonotone
from lowbit_dialect.ops.common import shape_of, shaped
from lowbit_dialect.ops.elementwise import AddOp, ElementwiseOp, MulOp, QuantizeOp, ThresholdOp
from lowbit_dialect.ops.layout import ConstantOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.tile import YieldOp
from lowbit_dialect.ranges import accumulator_range
from lowbit_dialect.reference import evaluate_elementwise
from lowering.inputs import block_of
from lowering.rebuild import rebuild

MOST_STEPS = 15
"""Steps of a code up to which comparing beats evaluating the chain: 4 bits."""

MOST_SEEN = 1 << 20
"""Accumulators of all channels together whose codes are looked at one by one."""

INT32 = np.iinfo(np.int32)


def sole_user(value: SSAValue) -> Operation | None:
    """The one op that uses a value; None if there are none or several."""
    users = [use.operation for use in value.uses]
    return users[0] if len(users) == 1 else None


def chain_after(op: LinearOp) -> list[ElementwiseOp]:
    """The elementwise ops, each the only user of the one before, that can follow `op` in its epilogue."""
    chain: list[ElementwiseOp] = []
    value = op.results[0]
    while isinstance(user := sole_user(value), ElementwiseOp):
        if user.parent is not op.parent:
            break  # It is in the epilogue of another producer already.
        if isinstance(user, AddOp | MulOp) and user.others == (value,):
            user.operands[0], user.operands[1] = user.other, user.input
        if why_not(user, value, op) is not None:
            break
        chain.append(user)
        value = user.results[0]
    return chain


def why_not(user: ElementwiseOp, value: SSAValue, producer: LinearOp) -> str | None:
    """Why `user` cannot move into the epilogue of `producer`; None if it can."""
    channel = producer.contraction.input_axes[-1]
    if user.input is not value:
        return "it is not the first operand"
    if user.channel_axis != channel and any(shape_of(table)[0] != 1 for table in user.tables):
        return f"its channels are axis {user.channel_axis}, not {channel}"
    if any(layout_of(shaped(v)) is not None for v in (*user.operands, *user.results)):
        return "it works on a layout"
    if not _scalar_ok(value):
        return f"an epilogue does not work on {shaped(value).element_type}"
    return None


def _scalar_ok(value: SSAValue) -> bool:
    element = shaped(value).element_type
    return isinstance(element, CodeType) or element.name == "f32" or element == i32


# Thresholds


def to_thresholds(
    chain: Sequence[ElementwiseOp], bounds: tuple[Array, Array], axis: int
) -> list[Operation] | None:
    """Ops that replace a chain from an i32 accumulator to a code by one threshold.

    `bounds` are the smallest and largest accumulator of each channel; channels are `axis` of the
    accumulators. None if the chain does not end in a code of few steps, or depends on more than the
    accumulator and constants.
    """
    code = chain[-1].output_element
    if len(chain) < 2 and isinstance(chain[0], ThresholdOp):
        return None
    if not isinstance(code, CodeType) or code.steps > MOST_STEPS:
        return None
    if not all(isinstance(v.owner, ConstantOp) for op in chain for v in op.operands[1:]):
        return None
    if any(op.others for op in chain):
        return None
    low, high = (np.clip(b.astype(np.int64), INT32.min + 1, INT32.max) for b in bounds)

    def codes(accumulators: Array) -> Array:
        value: Array = accumulators.astype(np.int32)
        for op in chain:
            value = evaluate_elementwise(op, value)
        return (value.astype(np.int64) - code.minimum) // code.scale

    if not _proved_monotone(chain, low, high) and not _seen_monotone(codes, low, high):
        return None
    descending = codes(low) > codes(high)
    flip = np.where(descending, -1, 0)
    # ~x ascends where x descends; the bounds swap with it.
    bottom, top = np.where(descending, ~high, low), np.where(descending, ~low, high)
    steps = [
        _first(lambda x, k=k: codes(x ^ flip) >= k, bottom, top) for k in range(1, code.steps + 1)
    ]
    return _threshold_ops(chain[0].input, code, np.stack(steps, axis=1), flip, axis)


def _proved_monotone(chain: Sequence[ElementwiseOp], low: Array, high: Array) -> bool:
    """Whether no op of a chain turns round between two accumulators of each channel."""
    ends: Array = Interval.of(low.astype(np.int32), high.astype(np.int32))
    try:
        for op in chain:
            ends = evaluate_elementwise(op, ends)
    except NotMonotone:
        return False
    return True


def _seen_monotone(codes: Callable[[Array], Array], low: Array, high: Array) -> bool:
    """Whether the codes of all accumulators of each channel, if they are few, never turn round."""
    reach = int((high - low).max()) + 1
    if reach * low.size > MOST_SEEN:
        return False
    change = np.diff(codes(np.minimum(low + np.arange(reach)[:, None], high)), axis=0)
    return bool(np.all((change >= 0).all(axis=0) | (change <= 0).all(axis=0)))


def _first(reached: Callable[[Array], Array], bottom: Array, top: Array) -> Array:
    """For each channel the least integer in `bottom..top` where a monotone test holds, else `top + 1`.

    Where it holds everywhere the threshold is the least i32, so that it does not depend on the range.
    """
    low, high = bottom.copy(), top + 1
    while np.any(low < high):
        middle = (low + high) // 2
        holds = reached(np.minimum(middle, top)) & (middle <= top)
        active = low < high
        high = np.where(active & holds, middle, high)
        low = np.where(active & ~holds, middle + 1, low)
    always = low == bottom
    never = low > top
    return np.where(never, INT32.max, np.where(always, INT32.min, low))


def _threshold_ops(
    value: SSAValue, code: CodeType, steps: Array, flip: Array, axis: int
) -> list[Operation]:
    table = ConstantOp.of(steps.astype(np.int32), i32)
    table.result.name_hint = "thresholds"
    ops: list[Operation] = [table]
    mask: ConstantOp | None = None
    if flip.any():
        mask = ConstantOp.of(flip.astype(np.int32), i32)
        mask.result.name_hint = "flip"
        ops.append(mask)
    ops.append(ThresholdOp(value, table, code, flip=mask, axis=axis))
    return ops


def quantising(chain: Sequence[ElementwiseOp]) -> int:
    """Length of the longest start of a chain that ends in a `lowbit.quantize`; 0 if none does."""
    for length in range(len(chain), 0, -1):
        if isinstance(chain[length - 1], QuantizeOp):
            return length
    return 0


def replace_by_thresholds(producer: LinearOp, bounds: tuple[Array, Array]) -> None:
    """Turn the float ops after an integer producer into thresholds where they end in a code."""
    chain = chain_after(producer)
    length = quantising(chain)
    if not length:
        return
    new = to_thresholds(chain[:length], bounds, producer.contraction.input_axes[-1])
    if new is None:
        return
    old = chain[length - 1].results[0]
    new[-1].results[0].name_hint = old.name_hint
    for op in new:
        Rewriter.insert_op(op, InsertPoint.before(chain[length - 1]))
    old.replace_all_uses_with(new[-1].results[0])
    for op in reversed(chain[:length]):
        Rewriter.erase_op(op)


def bounds_of(op: LinearOp) -> tuple[Array, Array]:
    """Smallest and largest accumulator of each output channel: any i32 where corrections are given."""
    given, work = op.corrections is not None, op.contraction
    known = accumulator_range(work, op.weights)
    if known is not None and not given:
        return known
    low, high = (INT32.min, INT32.max) if given else work.bound
    channels = work.groups * work.outputs
    return np.full(channels, low, np.int64), np.full(channels, high, np.int64)


def fuse(op: LinearOp) -> None:
    """Move the elementwise ops that follow `op` into its epilogue."""
    chain = chain_after(op)
    if not chain:
        return
    old = op.results[0]
    if not op.epilogue.blocks:
        block = Block(arg_types=[shaped(old).element_type])
        value: SSAValue = block.args[0]
        block.args[0].name_hint = "accumulator"
        region = Region(block)
    else:
        region = op.detach_region(op.epilogue)
        block = region.block
        last = block.last_op
        assert isinstance(last, YieldOp)
        value = last.value
        Rewriter.erase_op(last)
    values: dict[SSAValue, SSAValue] = {old: value}
    for step in chain:
        inner = rebuild(
            step, step.output_element, without=["axis"], operands={"input": values[step.input]}
        )
        block.add_op(inner)
        values[step.results[0]] = inner.results[0]
    result = chain[-1].results[0]
    block.add_op(YieldOp(values[result]))
    new = rebuild(op, result.type, regions=[region])
    # After the last operand that the chain reads: tables may stand behind the producer.
    Rewriter.insert_op(new, InsertPoint.before(chain[-1]))
    new.results[0].name_hint = result.name_hint
    result.replace_all_uses_with(new.results[0])
    for step in reversed(chain):
        Rewriter.erase_op(step)
    Rewriter.erase_op(op)


@dataclass(frozen=True)
class LowbitFusePass(ModulePass):
    """Thresholds for float chains, elementwise ops in epilogues."""

    name = "lowbit-fuse"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Fuse every function, then drop constants that nothing reads."""
        for func in list(op.ops):
            if not isinstance(func, FuncOp) or func.is_declaration:
                continue
            block = block_of(func)
            for inner in list(block.ops):
                if isinstance(inner, LinearOp) and inner.results:
                    if inner.accumulator == i32 and not inner.epilogue.blocks:
                        replace_by_thresholds(inner, bounds_of(inner))
                    fuse(inner)
            for inner in reversed(list(block.ops)):
                if isinstance(inner, ConstantOp) and not inner.result.uses.get_length():
                    Rewriter.erase_op(inner)
