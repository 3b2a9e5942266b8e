"""What a layer cannot do without, by hand."""

from dataclasses import replace

import pytest

from autotune.bandwidth import level_of, memory_levels
from lowbit.bench.benchmark import contraction_of
from lowbit.bench.limits import Work, products_of, work_of
from lowbit.bench.suites import ConvLayer, DenseLayer, Layer, program_of
from lowbit.element_types import parse_element
from lowbit.signature import inputs_of
from lowbit_dialect.ops.contraction import Contraction


def contraction(layer: Layer, activation: str = "uint1", weight: str = "uint1") -> Contraction:
    return contraction_of(program_of(layer, activation, weight, ("w",)))


def work(layer: Layer, activation: str, weight: str) -> Work:
    program = program_of(layer, activation, weight, ("w",))
    types = [one.type for one in inputs_of(program)]
    return work_of(contraction_of(program), types, [v.type for v in program.outputs])


def test_codes_take_a_binary_product_for_each_pair_of_planes():
    done = work(ConvLayer("", 6, 5, 8, 16, 3, 1, 1), "uint2", "ternary")
    macs = (6 * 3 - 2) * (5 * 3 - 2) * 8 * 16
    assert done.products == {"binary": macs * 2 * 2, "i8": macs, "f32": macs}
    assert done.bytes_read == 6 * 5 * 8 * 2 // 8 + 3 * 3 * 8 * 16 * 2 // 8
    assert done.bytes_written == 6 * 5 * 16 * 4


def test_a_dense_layer_of_floats():
    done = work(DenseLayer("", 3, 5, 7), "f32", "f32")
    assert done == Work({"f32": 3 * 5 * 7}, 4 * (3 * 5 + 5 * 7), 4 * 3 * 7, "L1")


@pytest.mark.parametrize(
    ("activation", "weight", "families"),
    [
        ("uint1", "odd1", "binary i8 f32"),
        ("uint4", "int4", "binary i8 f32"),
        ("i8", "i8", "i8 f32"),
        ("uint8", "i8", "i8 f32"),
        ("uint8", "int8", "binary i8 f32"),
        ("i8", "odd8", "i16 f32"),
        ("i8", "i16", "i16"),  # 5 * 128 * 32768 is above what f32 counts to
        ("f32", "f32", "f32"),
    ],
)
def test_families_follow_the_elements(activation: str, weight: str, families: str):
    elements = parse_element(activation), parse_element(weight)
    layer = replace(
        contraction(DenseLayer("", 3, 5, 7)), activation=elements[0], weight=elements[1]
    )
    assert " ".join(products_of(layer)) == families


def test_the_limit_is_the_largest_of_three_times():
    done = Work({"i8": 1000}, 400, 100, "L2")
    rates = {"i8": 100.0, "L2 read": 80.0, "L2 write": 50.0}
    assert done.seconds(rates) == (10.0, "i8")
    assert done.seconds(rates | {"L2 read": 10.0}) == (40.0, "L2 read")
    assert done.seconds(rates | {"L2 write": 5.0}) == (20.0, "L2 write")


def test_the_fastest_family_sets_the_limit():
    """16 pairs of planes take 16 binary products, or one of bytes, or one of floats."""
    done = Work({"binary": 16_000, "i8": 1000, "f32": 1000}, 400, 100, "L2")
    rates = {"binary": 600.0, "i8": 100.0, "f32": 50.0, "L2 read": 80.0, "L2 write": 50.0}
    assert done.seconds(rates) == (10.0, "i8")
    assert done.seconds(rates | {"binary": 3200.0}) == (5.0, "binary")
    assert done.seconds(rates | {"f32": 400.0}) == (5.0, "L2 read")


def test_everything_lies_in_the_innermost_level_that_holds_it():
    for name, size in memory_levels().items():
        assert level_of(size) == name
        assert level_of(size + 1) != name
    assert level_of(2**50) == "memory"
