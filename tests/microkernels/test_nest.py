"""How a row of outputs is cut in tiles."""

import numpy as np
import pytest

import lowbit
from lowbit_dialect.geometry import WindowAxis
from microkernels.nest import runs_of, tile_sizes


@pytest.mark.parametrize(
    ("total", "most", "borders", "sizes"),
    [
        (14, 6, False, [5, 5, 4]),
        (56, 6, True, [4, *[6] * 8, 4]),
        (28, 6, True, [5, 6, 6, 6, 5]),
        (7, 6, True, [4, 3]),
        (5, 6, True, [5]),
        (1, 6, True, [1]),
        (0, 6, True, []),
    ],
)
def test_tiles_are_few_and_of_similar_size(total: int, most: int, borders: bool, sizes: list[int]):
    assert listed(total, most, borders) == sizes


def listed(total: int, most: int, borders: bool) -> list[int]:
    """The sizes of all tiles."""
    return [size for size, count in tile_sizes(total, most, borders) for _ in range(count)]


@pytest.mark.parametrize("borders", [False, True])
def test_tiles_cover_each_output_once(borders: bool):
    for total in range(40):
        for most in range(1, 17):
            sizes = listed(total, most, borders)
            assert sum(sizes) == total
            assert len(sizes) == -(-total // most)
            assert all(1 <= size <= most for size in sizes)


@pytest.mark.parametrize("kernel", [1, 3, 5, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_run_of_several_tiles_touches_no_padding(kernel: int, stride: int):
    for size in range(1, 30):
        for pixels in (1, 2, 3, 7, 40):
            axis = WindowAxis(size, kernel, stride, kernel // 2, kernel // 2)
            covered: list[int] = []
            for run in runs_of(axis, pixels, peeled=True):
                outputs = range(run.first, run.first + run.outputs)
                if run.count > 1:
                    assert all(axis.low(o) == 0 and axis.high(o) == kernel for o in outputs)
                covered += outputs
            assert covered == list(range(axis.out))


@pytest.mark.parametrize("kind", ["conv2d", "avg_pool"])
def test_wide_padding_has_no_more_code_than_narrow(kind: str):
    """However wide it is, padding is one loop a side; what it computes is the same."""

    def tiles(width: int) -> int:
        program, padding = lowbit.Program(), (0, width, 1, width + 1)
        x = program.input((1, 2, 9, 8), "uint2", name="x")
        data = [np.arange(144).reshape(1, 2, 9, 8) % 4]
        if kind == "conv2d":
            w = program.input((2, 3, 8, 8), "odd1", name="w")
            program.output(program.conv2d(x, w, padding=padding))
            data += [np.arange(384).reshape(2, 3, 8, 8) // 3 % 2 * 2 - 1]
        else:
            program.output(program.avg_pool(x, (2, 3), padding=padding))
        kernel = lowbit.compile(program)
        assert np.array_equal(kernel(*data), lowbit.reference(program, *data))
        return kernel.ir("loops").count("lowbit.tile ")

    assert tiles(4) == tiles(20)
