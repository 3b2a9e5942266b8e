import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lowbit
from lowbit.signature import inputs_of
from lowbit_dialect.example_arrays import random_values
from lowbit_dialect.storage import to_storage


def arrays_of(program: lowbit.Program, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        random_values(tuple(one.type.get_shape()), one.type.element_type, rng)
        for one in inputs_of(program)
    ]


@pytest.fixture(scope="module")
def conv() -> tuple[lowbit.Program, lowbit.Kernel]:
    program = lowbit.conv2d((1, 6, 5, 33), (3, 3, 33, 9), "uint2", "odd1", padding=1)
    return program, lowbit.compile(program, verify_each=True)


def test_raw_packed_and_named_arguments_agree(conv) -> None:
    program, kernel = conv
    x, w = arrays_of(program)
    expected = lowbit.reference(program, x, w)
    packed = kernel.pack(w=w)
    calls = [
        kernel(x, w),
        kernel(x=x, w=w),
        kernel(x, w=w.astype(np.int64)),
        kernel(x, packed),
        kernel(packed, x),
        kernel(x, kernel.pack(w)),
    ]
    assert all(one.dtype == np.int32 and np.array_equal(one, expected) for one in calls)
    assert all(array.ctypes.data % 64 == 0 for array in (*packed.arrays, calls[0]))


def test_packing_for_another_padding_is_refused(conv) -> None:
    program, kernel = conv
    other = lowbit.conv2d((1, 6, 5, 33), (3, 3, 33, 9), "uint2", "odd1", padding=1, pad_value=3)
    x, w = arrays_of(program)
    assert np.array_equal(kernel(x, lowbit.compile(program).pack(w)), kernel(x, w))
    with pytest.raises(ValueError, match="come from another kernel"):
        kernel(x, lowbit.compile(other).pack(w))


def test_a_bound_call_reads_and_writes_in_place(conv) -> None:
    program, kernel = conv
    x, w = arrays_of(program)
    y = np.empty((1, 6, 5, 9), np.int32)
    bound = kernel.bind(x, kernel.pack(w=w), out=y)
    assert bound() is None
    assert np.array_equal(y, lowbit.reference(program, x, w))
    x[...] = 3
    bound()
    assert np.array_equal(y, lowbit.reference(program, x, w))


def test_a_bound_call_keeps_its_arrays_alive(conv) -> None:
    program, kernel = conv
    bound = kernel.bind(*(array.copy() for array in arrays_of(program)))
    expected = lowbit.reference(program, *arrays_of(program))
    bound()
    assert np.array_equal(bound.results[0], expected)


class Far:
    """Memory that gives access by DLPack alone, as a tensor of another library does."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def __dlpack__(self, **options: object) -> object:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


def test_tensors_of_other_libraries_are_used_where_they_lie(conv) -> None:
    program, kernel = conv
    x, w = arrays_of(program)
    expected, out = lowbit.reference(program, x, w), np.empty((1, 6, 5, 9), np.int32)
    assert np.array_equal(kernel(Far(x), Far(w)), expected)
    assert np.array_equal(kernel(Far(x.astype(np.int64)), w), expected)
    bound = kernel.bind(Far(x), w, out=Far(out))
    bound()
    assert np.array_equal(out, expected)
    x[...] = 3
    bound()
    assert np.array_equal(out, lowbit.reference(program, x, w))
    with pytest.raises(
        ValueError, match=r"of uint8 of shape 1x6x5x33: it holds int64, and a bound"
    ):
        kernel.bind(Far(x.astype(np.int64)), w)
    with pytest.raises(ValueError, match=r"argument 'x' is no array: "):
        kernel(Far(x.astype("U")), w)


def test_arrays_that_may_not_be_written_are_read(conv) -> None:
    program, kernel = conv
    x, w = arrays_of(program)
    x.flags.writeable = w.flags.writeable = False
    kernel.bind(x, kernel.pack(w))()
    assert np.array_equal(kernel(x, w), lowbit.reference(program, x, w))
    transposed = np.ascontiguousarray(x.T).T
    assert np.array_equal(kernel(transposed, w), lowbit.reference(program, x, w))


def test_results_lie_apart_from_inputs_and_each_other() -> None:
    program = lowbit.Program()
    x = program.input((3, 3), "i32", name="x")
    program.output(program.transpose(x, (1, 0)), program.transpose(x, (1, 0)))
    kernel, data, out = (
        lowbit.compile(program),
        np.zeros((3, 3), np.int32),
        np.zeros((3, 3), np.int32),
    )
    for pair in ((data, out), (out, out), (np.zeros((3, 3), np.int32), data[::1])):
        with pytest.raises(ValueError, match="out overlaps an input or another result"):
            kernel.bind(data, out=pair)
    kernel.bind(data, out=(out, np.zeros((3, 3), np.int32)))()


def test_calls_on_several_threads(conv) -> None:
    program, kernel = conv
    inputs = [arrays_of(program, seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda arrays: kernel(*arrays), inputs * 4))
    expected = [lowbit.reference(program, *arrays) for arrays in inputs] * 4
    assert all(map(np.array_equal, results, expected))


def test_every_argument_constant() -> None:
    program = lowbit.conv2d((1, 5, 5, 8), (3, 3, 8, 8), "uint1", "uint1", constant=("x", "w"))
    kernel = lowbit.compile(program)
    x, w = arrays_of(program)
    assert np.array_equal(kernel(kernel.pack(x, w)), lowbit.reference(program, x, w))


def test_weights_in_the_program() -> None:
    w = np.random.default_rng(0).integers(-1, 2, (8, 12))
    program = lowbit.dense((3, 8), (8, 12), "int4", "ternary", weights=w)
    x = np.arange(-8, 16).reshape(3, 8).clip(-8, 7)
    assert np.array_equal(lowbit.compile(program)(x), x @ w)


def test_floats_and_bytes() -> None:
    for activation, weight in (("f32", "f32"), ("i8", "i8"), ("uint4", "i8"), ("i16", "i8")):
        lowbit.check(lowbit.dense((3, 17), (17, 10), activation, weight), examples=5)


def test_results_that_the_program_stores_in_a_layout_are_decoded() -> None:
    program = lowbit.Program()
    x = program.input((2, 40), "uint3", name="x")
    program.output(program.bitpack(x, lowbit.Layout.of("d0, planes, d1 by 32")))
    values = random_values((2, 40), x.type.element_type, np.random.default_rng(0))
    assert np.array_equal(lowbit.compile(program)(values), values)


def test_inputs_that_the_program_takes_in_a_layout() -> None:
    program = lowbit.parse("""
        func.func @f(%x: tensor<2x40x!lowbit.uint<3>, #lowbit.layout<[d0, planes, d1 by 32], i32>>)
            -> tensor<2x40x!lowbit.uint<3>> {
          %y = lowbit.unpack %x
            : tensor<2x40x!lowbit.uint<3>, #lowbit.layout<[d0, planes, d1 by 32], i32>>
            -> tensor<2x40x!lowbit.uint<3>>
          func.return %y : tensor<2x40x!lowbit.uint<3>>
        }""")
    kernel, (values,) = lowbit.compile(program), arrays_of(program)
    stored = to_storage(values, inputs_of(program)[0].type)
    assert np.array_equal(kernel(values), values)
    for given in (values, stored):
        bound = kernel.bind(given)
        bound()
        assert np.array_equal(bound.results[0], values)


def test_a_bound_call_reads_what_could_be_stored_or_decoded_as_a_call_does() -> None:
    program = lowbit.parse("""
        func.func @f(%x: tensor<4x4x!lowbit.uint<8>, #lowbit.layout<[d1, d0], i8>>,
                     %y: tensor<4x4x!lowbit.uint<8>, #lowbit.layout<[d0, d1], i8>>)
            -> tensor<4x4xi32> {
          %z = lowbit.add %x, %y
            : tensor<4x4x!lowbit.uint<8>, #lowbit.layout<[d1, d0], i8>>,
              tensor<4x4x!lowbit.uint<8>, #lowbit.layout<[d0, d1], i8>> -> tensor<4x4xi32>
          func.return %z : tensor<4x4xi32>
        }""")
    kernel, (x, y) = lowbit.compile(program), arrays_of(program)
    bound = kernel.bind(x, y)
    y[...] = 7  # its stored and decoded forms are one, so it is read where it lies
    bound()
    assert np.array_equal(bound.results[0], kernel(x, y))


def test_several_results_and_an_argument_returned() -> None:
    program = lowbit.Program()
    x = program.input((1, 4, 4, 8), "uint2", name="x")
    pooled = program.max_pool(x, 2, strides=2)
    program.output(pooled, x, pooled)
    (values,) = arrays_of(program)
    got = lowbit.compile(program)(values)
    assert isinstance(got, tuple)
    assert all(map(np.array_equal, got, lowbit.reference(program, values)))


def test_stages_print_and_are_named(conv) -> None:
    _, kernel = conv
    assert "lowbit.tile" in kernel.ir("loops")
    assert "llvm.func" in kernel.ir("llvm")
    assert re.search(r"^main:", kernel.assembly(), re.MULTILINE)
    assert [name for name, _ in kernel.schedules] == ["conv2d %y"]


def test_a_pinned_schedule_is_kept(conv) -> None:
    program, _ = conv
    kernel = lowbit.compile(program, schedule=lowbit.Schedule(pixels=1))
    assert kernel.schedules[0][1].pixels == 1
    arrays = arrays_of(program)
    assert np.array_equal(kernel(*arrays), lowbit.reference(program, *arrays))


def test_a_target_that_this_machine_may_lack_still_gives_assembly() -> None:
    program = lowbit.dense((2, 64), (64, 16), "uint1", "uint1")
    kernel = lowbit.compile(program, target="x86-64-v4-vpopcntdq")
    assert "vpopcnt" in kernel.assembly()


def test_the_builder_makes_every_op() -> None:
    program = Network().build()
    report = lowbit.check(program, examples=5)
    assert report.values == 5 * 10


class Network:
    """One op of every kind that the builder offers."""

    def build(self) -> lowbit.Program:
        rng, p = np.random.default_rng(0), lowbit.Program()
        image = p.input((1, 8, 8, 3), "f32", name="image")
        rows = [p.constant(rng.uniform(0.5, 2, 3).astype(np.float32), "f32") for _ in range(4)]
        normal = p.batch_norm(image, *rows)
        scale = p.constant(np.float32([0.5]), "f32")
        x = p.quantize(p.clip(normal, -1.0, 1.0), scale, "uint2")
        weights = p.constant(rng.integers(-1, 2, (3, 3, 3, 8)), "ternary")
        y = p.conv2d(x, weights, padding=1, strides=(1, 1))
        steps = p.constant(np.sort(rng.integers(-9, 9, (8, 3)), axis=1).astype(np.int32), "i32")
        code = p.threshold(y, steps, "uint2")
        pooled = p.max_pool(code, 2, strides=2)
        doubled = p.requantize(p.add(pooled, pooled), scale, "uint3")
        mean = p.avg_pool(doubled, (2, 2), strides=2)
        flat = p.reshape(p.transpose(mean, (0, 3, 1, 2)), (1, 32))
        codes = p.requantize(flat, scale, "uint4")
        dense = p.constant(2 * rng.integers(0, 2, (32, 10)) - 1, "odd1")
        p.output(p.dense(codes, dense))
        return p
