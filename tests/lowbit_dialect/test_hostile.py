"""Hostile text: whatever stands in a program, an error is a sentence or a place, never a crash."""

from __future__ import annotations

import traceback

import pytest
from dialect_text import context, parse, programs
from hostile import mutations
from hypothesis import settings
from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, TensorType, i8
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.utils.exceptions import ParseError, VerifyException

from lowbit_dialect.codes import UIntType
from lowbit_dialect.ops.constant import ConstantOp

EVERY = 1 if settings.get_current_profile_name() == "nightly" else 23
"""Of the mutations of a program each so many-th is tried."""


def outcome(text: str) -> str:
    """How a program ends; raises what must not escape."""
    try:
        module = parse(text)
    except (ParseError, VerifyException) as error:
        message = str(error)
        assert message, text
        return "refused"
    except (ValueError, OverflowError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        if any("/lowbit_dialect/" in f.filename and "/tests/" not in f.filename for f in frames):
            raise
        return "refused"  # by xDSL itself, which has no better error for some numbers
    CanonicalizePass().apply(context(), module)
    module.verify()
    assert parse(str(module)).is_structurally_equivalent(module)
    return "accepted"


@pytest.mark.parametrize("number", range(len(programs("ops.mlir"))))
def test_mutations(number: int):
    found = [outcome(text) for text in list(mutations(programs("ops.mlir")[number]))[::EVERY]]
    assert found.count("refused") > len(found) // 2


HUGE = {
    "a pool": "%0 = lowbit.max_pool %x {kernel = array<i64: 2, 2>, dilations = array<i64: 1048576, 1>,"
    " padding = array<i64: 1048575, 0, 1048575, 0>} : tensor<1x2x2x1xi32> -> tensor<1x1048576x1x1xi32>",
    "a window": "%0 = lowbit.max_pool %x {kernel = array<i64: 1, 1>, padding = array<i64: 0, 0, "
    "1000000000000, 0>} : tensor<1x2x2x1xi32> -> tensor<1x1000000000002x2x1xi32>",
    "a shape": "%0 = lowbit.reshape %y : tensor<9999999999x9999999999xi8> -> "
    "tensor<9999999999x9999999999xi8>",
    "a block": "%0 = lowbit.relayout %x : tensor<1x2x2x1xi32> -> tensor<1x2x2x1xi32, "
    "#lowbit.layout<[d0, d1, d2, d3 by 99999999999999, d3 in 99999999999999], i32>>",
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_numbers_are_refused_at_once(name: str):
    arguments = "%x: tensor<1x2x2x1xi32>, %y: tensor<9999999999x9999999999xi8>"
    with pytest.raises(VerifyException):
        parse(f"func.func @f({arguments}) {{\n{HUGE[name]}\nfunc.return\n}}")


def test_a_large_splat_costs_nothing():
    shape = (2**15, 2**15)
    value = DenseIntOrFPElementsAttr(TensorType(i8, shape), BytesAttr(b"\x03"))
    op = ConstantOp(value, TensorType(UIntType(2), shape))
    op.verify()
    assert op.array().shape == shape and op.array()[-1, -1] == 3
    shape = (2**15 + 1, 2**15)
    value = DenseIntOrFPElementsAttr(TensorType(i8, shape), BytesAttr(b"\x03"))
    with pytest.raises(VerifyException, match="a constant takes at most 1073741824 bytes"):
        ConstantOp(value, TensorType(UIntType(2), shape)).verify()
