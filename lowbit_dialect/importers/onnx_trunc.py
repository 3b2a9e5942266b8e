"""QONNX `Trunc`: integers lose their low bits, as after the average pools of Brevitas."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import numpy as np

from lowbit_dialect.importers.onnx_binary import with_known
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_quantisers import (
    MAX_BITS,
    Grid,
    moved,
    numbers,
    positive,
    quant_bounds,
    quantise,
    rounded,
    rounding_mode,
    whole,
)
from lowbit_dialect.importers.onnx_tensor import Tensor
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.elementwise import DivOp, MulOp


def trunc(b: Builder, node: Node) -> Tensor:
    """Version 1 has five inputs. Version 2 has six, clamps, and divides the zero point as well."""
    second = len(node.inputs) > 5
    scale, zero = positive(node, b.reals(node, 1)), numbers(b, node, 2)
    target = positive(node, b.reals(node, 4)) if second else scale
    if scale.size != 1 or target.size != 1 or zero.size != 1:
        raise node.fail("its scales and its zero point are one number each")
    bits, kept = (whole(node, numbers(b, node, i), "bit width") for i in (3, 4 + second))
    if not 1 <= kept <= MAX_BITS:
        raise node.fail(f"leaves {kept} bits: 1 to {MAX_BITS} are imported")
    powers = [log2(float(one.ravel()[0])) for one in (target, scale)]
    lost = round(powers[0] - powers[1]) if second else bits - kept
    if not 0 <= lost <= MAX_BITS:
        raise node.fail(f"drops {lost} bits: 0 to {MAX_BITS} are dropped")
    x = with_known(b, node, b.tensor(node), scale.reshape(1), DivOp)
    x = rounded(b, node, moved(b, node, x, zero.reshape(1)), "half_even")
    power = np.array([2.0**lost], np.float32)
    if not second:
        mode = rounding_mode(node, "FLOOR")
        x = rounded(b, node, with_known(b, node, x, power, DivOp), mode)
        return scaled(b, node, x, zero.reshape(1), scale)
    x = clamped(b, node, x, power, kept)
    if x.scale is not None and not np.any(zero):
        return replace(x, scale=target.reshape(1))
    return scaled(b, node, with_known(b, node, x, power, DivOp), zero.reshape(1) / power, target)


def clamped(b: Builder, node: Node, x: Tensor, power: Array, bits: int) -> Tensor:
    """Integers divided by a power of two, clamped to the bits of version 2 and rounded, times the power."""
    bounds = quant_bounds(bits, bool(node.integer("signed", 1)), bool(node.integer("narrow", 0)))
    axes = (1,) * len(x.shape)
    zero = np.zeros(axes, np.float32)
    return quantise(
        b, node, x, Grid(power.reshape(axes), zero, bounds, rounding_mode(node, "FLOOR"))
    )


def scaled(b: Builder, node: Node, x: Tensor, zero: Array, scale: Array) -> Tensor:
    """`(x - zero) * scale`."""
    return with_known(b, node, moved(b, node, x, -zero), scale.reshape(1), MulOp)


QONNX_OPS = {"Trunc": trunc}
