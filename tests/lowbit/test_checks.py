import re

import numpy as np
import pytest

import lowbit
from lowbit_dialect.differences import first_difference, is_exact


def test_check_reports_what_it_compared() -> None:
    program = lowbit.dense((2, 9), (9, 4), "odd2", "int2")
    report = lowbit.check(program, examples=6, seed=3)
    assert report.values == 6 * 8
    assert report.examples == (
        "smallest",
        "largest",
        "alternating",
        "saturating",
        "random",
        "random",
    )
    assert "equal the reference" in str(report)


def test_check_takes_arrays() -> None:
    program = lowbit.dense((1, 3), (3, 2), "uint1", "uint1")
    arrays = [np.ones((1, 3), np.uint8), np.ones((3, 2), np.uint8)]
    assert lowbit.check(program, examples=[arrays]).values == 2


def test_a_sum_that_fits_thanks_to_its_weights() -> None:
    """The bound of the types, 576 * 2^15 * 2^7, leaves i32; with these weights every sum stays inside."""
    program = lowbit.Program()
    weights = np.random.default_rng(0).integers(-3, 4, (3, 3, 64, 3)).astype(np.int8)
    y = program.conv2d(program.input((1, 4, 4, 64), "i16"), program.constant(weights, "i8"))
    program.output(y)
    stated = str(program)
    bare = re.sub(r" \{range = [^}]*\}", "", stated)
    assert bare != stated == str(lowbit.parse(bare))
    lowbit.check(lowbit.parse(bare), 2)
    with pytest.raises(ValueError, match="can wrap in i32"):
        program.conv2d(program.arguments[0], program.input((3, 3, 64, 3), "i8", constant=True))


@pytest.mark.parametrize("examples", [0, -1, []])
def test_check_compares_something(examples: int) -> None:
    program = lowbit.dense((1, 3), (3, 2), "uint1", "uint1")
    with pytest.raises(ValueError, match=r"^examples are one or more, not "):
        lowbit.check(program, examples)


def test_check_fails_with_the_first_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: object, *arrays: np.ndarray) -> np.ndarray:
        return np.array([[7, 0]], np.int32)

    monkeypatch.setattr("lowbit.kernel.Kernel.__call__", wrong)
    program = lowbit.dense((1, 3), (3, 2), "uint1", "uint1")
    with pytest.raises(lowbit.CheckFailed) as caught:
        lowbit.check(program)
    assert str(caught.value) == (
        "result 0 on smallest data (seed 0): 1 of 2 values differ; the first, at [0, 0], is 7 and "
        "should be 0"
    )


def clipped(low: int, high: int, shape: tuple[int, ...] = (2, 9)) -> lowbit.Program:
    program = lowbit.Program()
    x = program.input(shape, "int4", name="x")
    y = program.dense(x, program.constant(np.eye(shape[1], dtype=np.int8), "int2"))
    program.output(program.clip(program.clip(y, minimum=low), maximum=high))
    return program


def test_two_programs_that_mean_the_same() -> None:
    assert "equal the reference" in str(lowbit.check(clipped(-20, 3), against=clipped(-9, 3)))
    with pytest.raises(lowbit.CheckFailed) as caught:
        lowbit.check(clipped(-20, 3), against=clipped(-20, 4))
    assert str(caught.value) == (
        "result 0 on largest data (seed 0), before any compilation: 18 of 18 values differ; the first, at "
        "[0, 0], is 3 and should be 4"
    )
    with pytest.raises(ValueError, match="input 0 is 2x9 of int4, but in `against` 3x9 of int4"):
        lowbit.check(clipped(0, 1), against=clipped(0, 1, (3, 9)))
    other = clipped(0, 1)
    other.output(other.arguments[0])
    with pytest.raises(ValueError, match="the program has 1 results, but `against` has 2"):
        lowbit.check(clipped(0, 1), against=other)


def test_only_sums_of_floats_may_round() -> None:
    one = np.float32([1.0, np.nan])
    near, far = one + np.float32(1e-6), one + np.float32(0.1)
    assert first_difference(one, one) is None
    assert first_difference(one, near) is not None
    assert first_difference(one, near, exact=False) is None
    assert first_difference(one, far, exact=False) is not None
    assert first_difference(np.int32([1]), np.int32([2]), exact=False) is not None
    assert is_exact(lowbit.dense((1, 3), (3, 2), "uint1", "uint1").module)
    assert not is_exact(lowbit.dense((1, 3), (3, 2), "f32", "f32").module)


def test_compare_layers_looks_at_every_tensor_after_fusion() -> None:
    rng, program = np.random.default_rng(0), lowbit.Program()
    x = program.input((1, 4, 4, 8), "uint2", name="x")
    weights = program.constant(2 * rng.integers(0, 2, (3, 3, 8, 8)) - 1, "odd1")
    scale = program.constant(np.float32([0.1]), "f32")
    y = program.conv2d(x, weights, padding=1)
    y.name_hint = "sums"
    code = program.quantize(program.requantize(y, scale), scale, "uint2")
    code.name_hint = "code"
    pooled = program.max_pool(code, 2, strides=2)
    pooled.name_hint = "pooled"
    program.output(pooled)
    images = rng.integers(0, 4, (5, 4, 4, 8)).astype(np.uint8)
    report = lowbit.compare_layers(program, images, limit=4)
    assert [(one.name, one.op, one.element) for one in report] == [
        ("code", "conv2d", "uint2"),
        ("pooled", "max_pool", "uint2"),
    ]
    assert [one.values for one in report] == [4 * 4 * 4 * 8, 2 * 4 * 2 * 2 * 8]
    assert all(one.different == 0 for one in report)
