"""Ops that move elements, against onnxruntime: results are equal, and codes stay codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_oracle import check, imported, integers, model, op_names, quant

from lowbit_dialect.importers import ImportFailed

CODES = {"scale": 0.5, "zero": 0, "bits": 4}
NODE = helper.make_node


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES: dict[str, tuple[list[Any], tuple[int, ...], dict[str, Any], int]] = {
    "slice": (
        [NODE("Slice", ["q", "a", "e", "x0", "s"], ["y"])],
        (2, 6, 5, 4),
        {"a": ints(1, -1), "e": ints(5, -100), "x0": ints(1, -2), "s": ints(2, -2)},
        13,
    ),
    "slice by attributes": (
        [NODE("Slice", ["q"], ["y"], starts=[1], ends=[9999], axes=[3])],
        (2, 6, 5, 4),
        {},
        9,
    ),
    "split": ([NODE("Split", ["q", "n"], ["z", "y"], axis=1)], (1, 7, 3), {"n": ints(3, 4)}, 13),
    "equal parts": ([NODE("Split", ["q"], ["z", "y"], axis=-1, num_outputs=2)], (2, 3, 5), {}, 18),
    "gather": (
        [NODE("Gather", ["q", "n"], ["y"], axis=1)],
        (2, 7, 3),
        {"n": ints(0, 2, 4, 4, -1, 1)},
        13,
    ),
    "gather one": ([NODE("Gather", ["q", "n"], ["y"], axis=1)], (2, 7, 3), {"n": np.array(-2)}, 13),
    "expand": ([NODE("Expand", ["q", "n"], ["y"])], (2, 1, 3), {"n": ints(4, 1, 5, 1)}, 13),
    "tile": ([NODE("Tile", ["q", "n"], ["y"])], (2, 3, 1, 2), {"n": ints(1, 2, 3, 2)}, 13),
    "depth to space": (
        [NODE("DepthToSpace", ["q"], ["y"], blocksize=2, mode="CRD")],
        (2, 8, 3, 2),
        {},
        13,
    ),
    "depth to space by columns": (
        [NODE("DepthToSpace", ["q"], ["y"], blocksize=2)],
        (1, 12, 3, 2),
        {},
        13,
    ),
    "space to depth": ([NODE("SpaceToDepth", ["q"], ["y"], blocksize=3)], (1, 2, 6, 3), {}, 13),
    "channel shuffle": (
        [
            NODE("Reshape", ["q", "n"], ["r"]),
            NODE("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
            NODE("Reshape", ["t", "m"], ["y"]),
        ],
        (1, 6, 2, 3),
        {"n": ints(1, 2, 3, 2, 3), "m": ints(1, 6, 2, 3)},
        13,
    ),
    "reflect": (
        [NODE("Pad", ["q", "n"], ["y"], mode="reflect")],
        (1, 2, 5, 4),
        {"n": ints(0, 0, 2, 3, 0, 0, 1, 0)},
        18,
    ),
    "edge": (
        [NODE("Pad", ["q", "n"], ["y"], mode="edge")],
        (1, 2, 3),
        {"n": ints(0, 1, 2, 0, 0, 3)},
        18,
    ),
    "wrap": (
        [NODE("Pad", ["q", "n"], ["y"], mode="wrap")],
        (1, 4, 3),
        {"n": ints(0, 1, 2, 0, 2, 3)},
        19,
    ),
    "constant": (
        [NODE("Pad", ["q", "n", "v"], ["y"])],
        (2, 3, 4),
        {"n": ints(0, 1, 2, 1, 0, 3), "v": np.float32(1.5)},
        13,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_codes_move_as_codes(name: str) -> None:
    nodes, shape, constants, opset = CASES[name]
    proto = model([quant("x", "q"), *nodes], shape, {**CODES, **constants}, opset=opset)
    module = check(proto, integers(1, *shape, low=-9, high=9))
    names = op_names(module)
    assert names[0] == "quantize" and names[-1] in ("requantize", "transpose", "reshape")
    assert names.count("requantize") == 1


@pytest.mark.parametrize("axis", [1, 2, 3, -4])
def test_concat(axis: int) -> None:
    nodes = [
        quant("x", "q"),
        quant("x", "narrow", bits="two"),
        NODE("Relu", ["q"], ["r"]),
        quant("r", "codes"),
        NODE("Concat", ["codes", "narrow", "q"], ["y"], axis=axis),
    ]
    shape = (2, 3, 4, 5)
    module = check(model(nodes, shape, {**CODES, "two": 2}), integers(2, *shape, low=-9, high=9))
    after = op_names(module)[op_names(module).index("concat") :]
    assert "requantize" in after


def test_concat_of_scales() -> None:
    nodes = [
        quant("x", "q"),
        quant("x", "p", scale="other"),
        NODE("Concat", ["p", "q", "k"], ["y"], axis=1),
    ]
    known = integers(5, 2, 1, 4)
    proto = model(nodes, (2, 3, 4), {**CODES, "other": 0.25, "k": known})
    check(proto, integers(3, 2, 3, 4, low=-9, high=9))


def test_concat_of_one_known_zero_point() -> None:
    nodes = [quant("x", "q", signed=0), NODE("Concat", ["q", "q"], ["y"], axis=1)]
    check(model(nodes, (1, 2, 3), {**CODES, "zero": 3}), integers(3, 1, 2, 3, low=-9, high=9))


RESIZES = [
    ("asymmetric", "floor", (1, 1, 2, 3)),
    ("half_pixel", "round_prefer_floor", (1, 1, 4, 2)),
    ("pytorch_half_pixel", "round_prefer_ceil", (1, 2, 3, 1)),
    ("tf_half_pixel_for_nn", "floor", (1, 1, 3, 2)),
    ("asymmetric", "round_prefer_floor", (1, 1, 2, 2)),
]


@pytest.mark.parametrize(("coordinates", "nearest", "factors"), RESIZES)
@pytest.mark.parametrize("sizes", [False, True])
def test_resize(coordinates: str, nearest: str, factors: tuple[int, ...], sizes: bool) -> None:
    shape = (2, 3, 4, 3)
    rows = {"n": ints(*(a * b for a, b in zip(shape, factors)))} if sizes else {"n": factors}
    inputs = ["q", "", "", "n"] if sizes else ["q", "", "n"]
    modes = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    nodes = [quant("x", "q"), NODE("Resize", inputs, ["y"], mode="nearest", **modes)]
    constants = {name: np.asarray(v) if sizes else np.float32(v) for name, v in rows.items()}
    module = check(model(nodes, shape, {**CODES, **constants}), integers(4, *shape))
    assert "repeat" in op_names(module)


@pytest.mark.parametrize(
    ("coordinates", "nearest", "factor", "message"),
    [
        ("asymmetric", "round_prefer_floor", 3.0, "do not repeat each pixel 3 times"),
        ("half_pixel", "floor", 2.0, "do not repeat each pixel 2 times"),
        ("align_corners", "floor", 2.0, "do not repeat each pixel 2 times"),
        ("asymmetric", "floor", 1.5, "resizes by 1.0, 1.0, 1.5, 1.0: whole factors"),
    ],
)
def test_resizes_that_are_no_repetition(
    coordinates: str, nearest: str, factor: float, message: str
) -> None:
    modes = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    node = NODE("Resize", ["x", "", "n"], ["y"], mode="nearest", **modes)
    with pytest.raises(ImportFailed, match=message):
        imported(model([node], (1, 2, 4, 4), {"n": np.float32([1, 1, factor, 1])}))


def test_a_scale_for_each_channel_is_cut_with_it() -> None:
    scale = np.float32([0.5, 0.25, 1, 2]).reshape(1, 4, 1, 1)
    nodes = [quant("x", "q"), NODE("Slice", ["q", "a", "e", "n"], ["y"])]
    rows = {"a": ints(1), "e": ints(3), "n": ints(1)}
    proto = model(nodes, (1, 4, 2, 2), {**CODES, "scale": scale, **rows})
    check(proto, integers(3, 1, 4, 2, 2, low=-9, high=9))


def test_zeros_that_no_convolution_takes_over() -> None:
    nodes = [quant("x", "q"), NODE("Pad", ["q", "n"], ["p"]), NODE("Relu", ["p"], ["y"])]
    proto = model(nodes, (1, 2, 3, 3), {**CODES, "n": ints(0, 0, 1, 2, 0, 0, 0, 1)})
    assert "pad" in op_names(check(proto, integers(3, 1, 2, 3, 3)))


def test_a_number_that_is_no_code_pads_in_f32() -> None:
    nodes = [quant("x", "q"), NODE("Pad", ["q", "n", "v"], ["y"])]
    constants = {**CODES, "n": ints(0, 0, 1, 0, 0, 1), "v": np.float32(0.3)}
    names = op_names(check(model(nodes, (1, 2, 3), constants), integers(3, 1, 2, 3)))
    assert names.index("requantize") < names.index("pad")


@pytest.mark.parametrize("pads", [(0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 2, 0), (1, 0, 2, 1, 0, 0)])
def test_zeros_where_each_channel_has_its_scale(pads: tuple[int, ...]) -> None:
    nodes = [quant("x", "q"), NODE("Pad", ["q", "n"], ["y"])]
    constants = {**CODES, "scale": [[[0.5], [0.25]]], "n": ints(*pads)}
    check(model(nodes, (1, 2, 3), constants), integers(3, 1, 2, 3))


@pytest.mark.parametrize(
    ("node", "constants", "message"),
    [
        (NODE("Slice", ["x", "a", "a"], ["y"]), {"a": ints(1)}, "takes nothing of"),
        (NODE("Split", ["x", "a"], ["z", "y"]), {"a": ints(1, 3)}, "do not make 2 of 2"),
        (NODE("Gather", ["x", "a"], ["y"]), {"a": ints(5)}, "outside the 2 of axis 0"),
        (NODE("Expand", ["x", "a"], ["y"]), {"a": ints(3, 3, 4)}, "cannot expand"),
        (
            NODE("Concat", ["x", "a"], ["y"], axis=2),
            {"a": np.zeros((2, 4, 4), np.float32)},
            "joins",
        ),
        (NODE("DepthToSpace", ["x"], ["y"], blocksize=2), {}, "image of rank 4"),
    ],
)
def test_refused(node: Any, constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ImportFailed, match=message):
        imported(model([node], (2, 3, 4), constants, opset=13))
