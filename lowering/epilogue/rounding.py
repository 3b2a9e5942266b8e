"""Rounding of f32, to f32 or to i32, without calls into a library.

SSE4.1 rounds in one instruction. Below it, adding and subtracting 2^23 with the sign of x rounds |x| < 2^23
half to even (the sum has no bits below 1), and every larger float is an integer already. Adding 3 * 2^22 to
|x| <= 2^22 leaves x in the low bits of the sum. LLVM's `fptosi.sat` on vectors is a branch for each lane.
"""

from __future__ import annotations

from xdsl.dialects.builtin import f32, i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.llvm_types import lanes_of, mangled, vector
from microkernels.table import verbs_of
from microkernels.target import Target

INTEGERS_FROM = float(2**23)
BIASED_TO = 2**22
"""What |x| is at most whose sum with `BIAS` has x in its low bits."""
BIAS, BIAS_BITS = 3.0 * 2**22, 0x4B400000
"""A float and its bits."""


def round_even(emit: Emitter, target: Target, x: SSAValue) -> SSAValue:
    """Round half to even."""
    if target.has("sse4.1"):
        return emit.intrinsic("roundeven", x)
    size = emit.intrinsic("fabs", x)
    magic = emit.constant(INTEGERS_FROM, x.type)
    rounded = emit.binary("fsub", emit.binary("fadd", size, magic), magic)
    below = _less(emit, size, magic)
    kept = _choose(emit, below, rounded, size)
    return emit.intrinsic("copysign", kept, x)


def to_integer(emit: Emitter, target: Target, x: SSAValue, bounds: tuple[int, int]) -> SSAValue:
    """A float within bounds that i32 holds, and no NaN, as i32; rounds half to even."""
    type = vector(lanes_of(x.type), i32)
    if "round_to_integers" in verbs_of(target).can:
        return emit.call(f"llvm.lrint.{mangled(type)}.{mangled(x.type)}", [x], type)
    if max(map(abs, bounds)) > BIASED_TO:
        name = f"llvm.fptosi.sat.{mangled(type)}.{mangled(x.type)}"
        return emit.call(name, [round_even(emit, target, x)], type)
    biased = emit.binary("fadd", x, emit.constant(BIAS, x.type))
    return emit.binary("sub", emit.bitcast(biased, type), emit.constant(BIAS_BITS, type))


def floor(emit: Emitter, target: Target, x: SSAValue) -> SSAValue:
    """Round towards minus infinity."""
    if target.has("sse4.1"):
        return emit.intrinsic("floor", x)
    near = round_even(emit, target, x)
    lower = emit.binary("fsub", near, emit.constant(1.0, x.type))
    return _choose(emit, _less(emit, x, near), lower, near)


def round_to(emit: Emitter, target: Target, x: SSAValue, mode: str) -> SSAValue:
    """Round by a mode of `lowbit.quantize` but `half_even`; `up` and `half_up` go away from zero."""
    zero = emit.constant(0.0, x.type)
    if mode == "floor":
        return floor(emit, target, x)
    if mode == "ceil":
        return emit.binary("fsub", zero, floor(emit, target, emit.binary("fsub", zero, x)))
    size = emit.intrinsic("fabs", x)
    down = floor(emit, target, size)
    if mode == "up":
        down = emit.binary("fsub", zero, floor(emit, target, emit.binary("fsub", zero, size)))
    elif mode != "down":
        half = emit.constant(0.5, x.type)
        rest = emit.binary("fsub", size, down)
        more = emit.binary("fadd", down, emit.constant(1.0, x.type))
        if mode == "half_up":
            down = _choose(emit, _less(emit, rest, half), down, more)
        else:
            down = _choose(emit, _less(emit, half, rest), more, down)
    return emit.intrinsic("copysign", down, x)


def _less(emit: Emitter, a: SSAValue, b: SSAValue) -> SSAValue:
    """All ones (i32) in the lanes where `a < b`, for numbers whose difference is exact in sign."""
    lanes = lanes_of(a.type)
    difference = emit.bitcast(emit.binary("fsub", a, b), vector(lanes, i32))
    return emit.binary("ashr", difference, emit.constant(31, difference.type))


def _choose(emit: Emitter, mask: SSAValue, a: SSAValue, b: SSAValue) -> SSAValue:
    """Lanes of `a` where the mask is all ones, else of `b`."""
    type = mask.type
    picked = emit.binary("and", mask, emit.bitcast(a, type))
    kept = emit.binary("xor", mask, emit.constant(-1, type))
    rest = emit.binary("and", kept, emit.bitcast(b, type))
    return emit.bitcast(emit.binary("or", picked, rest), vector(lanes_of(type), f32))
