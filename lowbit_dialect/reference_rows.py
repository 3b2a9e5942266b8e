"""The meaning of ops on rows, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Operation

from lowbit_dialect.layout import Array
from lowbit_dialect.ops.common import output_type
from lowbit_dialect.ops.rows import LANES, ReduceOp, TopKOp
from lowbit_dialect.reference_elementwise import Values

JOIN: dict[str, tuple[np.ufunc, float]] = {
    "sum": (np.add, 0.0),
    "mean": (np.add, 0.0),
    "max": (np.fmax, -np.inf),
    "min": (np.fmin, np.inf),
}
"""How two numbers become one, and what changes none."""


def reduce(op: ReduceOp, values: Values) -> Array:
    """One number for each row."""
    x, name = values[op.input], op.function.data
    join, start = JOIN[name]
    length = x.shape[-1]
    ends = [(0, 0)] * (x.ndim - 1) + [(0, -length % LANES)]
    padded = np.pad(x, ends, constant_values=np.float32(start))
    total = np.full((*x.shape[:-1], LANES), start, np.float32)
    with np.errstate(all="ignore"):
        for first in range(0, length, LANES):
            total = join(total, padded[..., first : first + LANES])
        while (half := total.shape[-1] // 2) > 0:
            total = join(total[..., :half], total[..., half:])
        return total / np.float32(length) if name == "mean" else total + np.float32(0)


def top_k(op: TopKOp, values: Values) -> Array:
    """The largest numbers of each row, or their places."""
    x, type = values[op.input], output_type(op)
    with np.errstate(all="ignore"):
        bits = (x + np.float32(0)).view(np.int32).astype(np.int64)
    # As integers floats are in order once those below 0 are counted down.
    ranks = np.where(bits < 0, -(2**31) - 1 - bits, bits)
    order = np.argsort(ranks if op.smallest else -ranks, axis=-1, kind="stable")
    places = order[..., : type.get_shape()[-1]]
    whole = isinstance(type.element_type, Float32Type)
    return np.take_along_axis(x, places, axis=-1) if whole else places


ROWS: dict[type[Operation], Callable[[Any, Values], Array]] = {ReduceOp: reduce, TopKOp: top_k}
