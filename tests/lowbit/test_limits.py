"""What a layer cannot do without, by hand."""

import pytest

from autotune.bandwidth import level_of, memory_levels
from lowbit.benchmark import contraction_of
from lowbit.elements import parse_element
from lowbit.limits import Work, arithmetic_of, work_of
from lowbit.signature import inputs_of
from lowbit.suites import ConvLayer, DenseLayer, Layer, program_of


def work(layer: Layer, activation: str, weight: str) -> Work:
    program = program_of(layer, activation, weight, ("w",))
    types = [one.type for one in inputs_of(program)]
    return work_of(contraction_of(program), types, [v.type for v in program.outputs])


def test_codes_take_a_binary_product_for_each_pair_of_planes():
    done = work(ConvLayer("", 6, 5, 8, 16, 3, 1, 1), "uint2", "ternary")
    assert done.arithmetic == "binary"
    assert done.macs == (6 * 3 - 2) * (5 * 3 - 2) * 8 * 16 * 2 * 2
    assert done.bytes_read == 6 * 5 * 8 * 2 // 8 + 3 * 3 * 8 * 16 * 2 // 8
    assert done.bytes_written == 6 * 5 * 16 * 4


def test_a_dense_layer_of_floats():
    done = work(DenseLayer("", 3, 5, 7), "f32", "f32")
    assert done == Work("f32", 3 * 5 * 7, 4 * (3 * 5 + 5 * 7), 4 * 3 * 7, "L1")


@pytest.mark.parametrize(
    ("activation", "weight", "kind"),
    [
        ("uint1", "odd1", "binary"),
        ("i8", "i8", "i8"),
        ("uint8", "i8", "i8"),
        ("i8", "odd8", "i16"),
        ("i8", "i16", "i16"),
        ("f32", "f32", "f32"),
    ],
)
def test_arithmetic_follows_the_elements(activation: str, weight: str, kind: str):
    assert arithmetic_of(parse_element(activation), parse_element(weight)) == kind


def test_the_limit_is_the_largest_of_three_times():
    done = Work("i8", 1000, 400, 100, "L2")
    rates = {"i8": 100.0, "L2 read": 80.0, "L2 write": 50.0}
    assert done.seconds(rates) == (10.0, "i8")
    assert done.seconds(rates | {"L2 read": 10.0}) == (40.0, "L2 read")
    assert done.seconds(rates | {"L2 write": 5.0}) == (20.0, "L2 write")


def test_everything_lies_in_the_innermost_level_that_holds_it():
    for name, size in memory_levels().items():
        assert level_of(size) == name
        assert level_of(size + 1) != name
    assert level_of(2**50) == "memory"
