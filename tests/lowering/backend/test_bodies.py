"""Ops that are written like others of their kind become the code that xDSL's own translation gives."""

from __future__ import annotations

import pytest
from xdsl.backend.llvm.convert_op import create_constant
from xdsl.dialects import llvm

import lowbit
from lowering.backend.bodies import Bodies
from microkernels.target import TARGETS

PROGRAMS = {
    "conv2d": lowbit.conv2d((1, 6, 7, 40), (3, 3, 40, 24), "uint2", "odd1", padding=1),
    "pairs": lowbit.conv2d((1, 5, 5, 64), (3, 3, 64, 16), "uint2", "uint2", strides=2, padding=1),
    "dense": lowbit.dense((3, 200), (200, 33), "uint1", "ternary"),
    "float": lowbit.dense((3, 40), (40, 33), "f32", "f32"),
    "depthwise": lowbit.conv2d((1, 9, 9, 24), (3, 3, 1, 24), "uint2", "int2", groups=24),
}


def by_xdsl(self: Bodies, op: llvm.ConstantOp) -> str:
    return create_constant(op.result.type, op.value).get_reference()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_code_is_that_of_xdsl(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = lowbit.compile(PROGRAMS[name], target).assembly()
    monkeypatch.setattr(Bodies, "form", lambda *_: None)
    monkeypatch.setattr(Bodies, "constant", by_xdsl)
    assert lowbit.compile(PROGRAMS[name], target).assembly() == written
