"""Vectors of f32 become integers without a branch for each lane."""

import re

import numpy as np
import pytest
from programs import Net
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import Attribute, SSAValue

import lowbit
from lowbit_dialect.codes import parse_code
from lowbit_dialect.ops.elementwise import ROUNDINGS, QuantizeOp, RequantizeOp
from tests.support.tiers import X86

LANES = 64


def branches(net: Net, y: SSAValue, target: str) -> int:
    """Conditional jumps in the code of a program on one row of 64 elements; a loop takes one or two."""
    program = lowbit.parse(str(net.module(y)))
    return len(re.findall(r"^\tj(?!mp)", lowbit.compile(program, target).assembly(), re.MULTILINE))


@pytest.mark.parametrize("target", X86)
@pytest.mark.parametrize("spelling", ["odd1", "int2", "uint8"])
def test_quantisers(spelling: str, target: str):
    net, code = Net(), parse_code(spelling)
    one = net.constant(np.ones(1, np.float32), f32)
    x, modes = net.input((LANES,), f32), ("half_even",) if code.is_odd else ROUNDINGS
    mode = modes[X86.index(target) % len(modes)]
    assert branches(net, net.add(QuantizeOp(x, one, code, rounding=mode)), target) <= 2


@pytest.mark.parametrize("target", X86)
@pytest.mark.parametrize("element", [parse_code("int8"), i32], ids=str)
def test_requantisers(element: Attribute, target: str):
    net = Net()
    scale = net.constant(np.full(1, 0.1, np.float32), f32)
    y = net.add(RequantizeOp(net.input((LANES,), i32), scale, element))
    assert branches(net, y, target) <= 2
