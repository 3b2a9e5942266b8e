"""Constants through text: what is printed is read back as the same bits, and large ones cost nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FloatAttr, f32, i8, i16, i32, i64
from xdsl.parser import Parser

import lowbit
from lowbit.registry import context
from lowbit.source import SourceParser
from lowbit_dialect.codes import CODE_SPELLINGS, CodeType, parse_code
from lowbit_dialect.layout import storage_dtype
from lowbit_dialect.ops.constant import ConstantOp

INF, NAN, SIGNALLING = 0x7F800000, 0x7FC00000, 0x7F800001
SPECIAL = (0, 1, 0x7FFFFF, 0x800000, INF - 1, INF, NAN, NAN + 1, SIGNALLING, 0x4B7FFFFF, 0x4B800000)
"""Zero, the denormals at both ends, the largest, infinity, NaNs, and whole numbers of many digits."""

SHAPES = st.sampled_from([(1,), (2,), (7,), (2, 3), (101,), (3, 40)])
BITS = st.sampled_from(SPECIAL + tuple(s | 1 << 31 for s in SPECIAL)) | st.integers(0, 2**32 - 1)


@st.composite
def constants(draw: st.DrawFn) -> ConstantOp:
    """Some values of any element type; often few different ones, or one."""
    codes = st.sampled_from(CODE_SPELLINGS).map(parse_code)
    kind, shape = draw(st.just(f32) | st.sampled_from((i8, i16, i32, i64)) | codes), draw(SHAPES)
    if kind == f32:
        few = np.array(draw(st.lists(BITS, min_size=1, max_size=5)), np.uint32).view(np.float32)
    elif isinstance(kind, CodeType):
        few = np.array([kind.minimum, kind.maximum])
    else:
        ends = np.iinfo(storage_dtype(kind))
        few = np.array([ends.min, -1, 0, ends.max])
    random = np.random.default_rng(draw(st.integers(0, 99)))
    return ConstantOp.of(random.choice(few[: draw(st.integers(1, few.size))], shape), kind)


@given(constants())
def test_constants_keep_their_bits(op: ConstantOp) -> None:
    for parser in (SourceParser(context(), str(op), "text"), Parser(context(), str(op))):
        again = parser.parse_op()
        assert isinstance(again, ConstantOp) and again.is_structurally_equivalent(op)
        assert again.array().tobytes() == op.array().tobytes()
        assert str(again) == str(op)


@given(st.lists(BITS, min_size=1, max_size=4))
def test_hexadecimal_floats_are_bits(bits: list[int]) -> None:
    text = f"dense<[{', '.join(map(hex, bits))}]> : vector<{len(bits)}xf32>"
    attr = SourceParser(context(), text, "text").parse_attribute()
    assert isinstance(attr, DenseIntOrFPElementsAttr)
    assert attr.data.data == np.array(bits, np.uint32).tobytes()


@given(BITS)
def test_attributes_of_ops_keep_their_bits(bits: int) -> None:
    value = float(np.array(bits, np.uint32).view(np.float32))
    text = f'"test.op"() {{minimum = {FloatAttr(value, f32)}}} : () -> ()'
    parser = SourceParser(context(), text, "text")
    parser.ctx.allow_unregistered = True
    assert parser.parse_op().attributes["minimum"] == FloatAttr(value, f32)


def constant(text: str, type: str) -> str:
    return f"func.func @f() {{\n  %0 = lowbit.constant {text} : {type} -> {type}\n  func.return\n}}"


REFUSED = {
    "dense<1> : tensor<100000000xi32>": "tensor<100000000xi32> takes 400000000 bytes: a constant has "
    "at most 268435456",
    "dense<1> : tensor<4294967296x4294967296xi8>": "tensor<4294967296x4294967296xi8> takes "
    "18446744073709551616 bytes: a constant has at most 268435456",
    "dense<1> : tensor<67108865xi8>": "tensor<67108865xi8> repeats its element more than 67108864 times",
    "dense<[1, 2]> : tensor<3xi8>": "elements of shape [2] are no tensor<3xi8>",
    "dense<[[1, 2], [3]]> : tensor<2x2xi8>": "the rows of a dense attribute differ in shape",
    "dense<1000> : tensor<2xi8>": "not elements of i8: Integer value 1000 is out of range for type "
    "i8 which supports values in the range [-128, 256)",
    "dense<1.5> : tensor<2xi8>": "not elements of i8: 1.5 is a float",
    "dense<1.0e99> : tensor<2xf32>": "not elements of f32: float too large to pack with f format",
    "dense<0x1FFFFFFFF> : tensor<2xf32>": "not elements of f32: int too big to convert",
    'dense<"0x00"> : tensor<2xf32>': "1 bytes are no tensor<2xf32>, which takes 8",
    'dense<"00"> : tensor<2xi8>': 'not elements of i8: the bytes of elements are a string "0x..."',
    "dense<> : tensor<2xi8>": "elements of shape [0] are no tensor<2xi8>",
    "dense<(1, 2)> : tensor<2xcomplex<f32>>": "integer, boolean, or float literal expected",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_are_no_elements(text: str) -> None:
    type = text.partition(" : ")[2]
    with pytest.raises(ValueError) as caught:
        lowbit.parse(constant(text.partition(" : ")[0], type))
    place = "2:43" if "rows" in REFUSED[text] else "2:30"
    assert str(caught.value) == f"<text>:{place}: {REFUSED[text]}"


def test_a_splat_is_read_at_once() -> None:
    op = SourceParser(
        context(), "lowbit.constant dense<1> : tensor<16777216xi32> -> tensor<16777216xi32>", "text"
    ).parse_op()
    assert isinstance(op, ConstantOp) and len(op.value.data.data) == 4
    assert op.array().shape == (2**24,) and str(op).count("dense<1>") == 1


@pytest.mark.parametrize("promise", ["", "{ascending}"])
def test_a_signalling_threshold_is_a_threshold(promise: str) -> None:
    """NumPy warns where it converts or compares one, and warnings are errors here."""
    program = lowbit.parse(
        f"""func.func @f(%x: tensor<2x1xf32>) -> tensor<2x1x!lowbit.uint<2>> {{
%t = lowbit.constant dense<[[1.0, {SIGNALLING:#x}, {NAN:#x}]]> : tensor<1x3xf32> -> tensor<1x3xf32>
%y = lowbit.threshold %x, %t {promise} : tensor<2x1xf32>, tensor<1x3xf32> -> tensor<2x1x!lowbit.uint<2>>
func.return %y : tensor<2x1x!lowbit.uint<2>>
        }}"""
    )
    x = np.array([[0.5], [np.inf]], np.float32)
    assert lowbit.reference(program, x).tolist() == [[0], [1]]
    assert lowbit.compile(program, "host")(x).tolist() == [[0], [1]]
