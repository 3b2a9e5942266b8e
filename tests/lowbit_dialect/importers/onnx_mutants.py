"""Broken ONNX files: valid ones with bytes, numbers, names or nodes changed. Any number of them:

    python tests/lowbit_dialect/importers/onnx_mutants.py 5000

prints how many were imported and how many refused, the slowest and the peak memory, and fails for anything
but a refusal in one line within five seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_oracle import QONNX, integers, model, quant

from lowbit_dialect.importers import ImportFailed, import_onnx

SECONDS, MEGABYTES = 5.0, 1500
L = np.int64


def network() -> onnx.ModelProto:
    """A model with one node of most kinds."""
    nodes = [
        quant("x", "q"),
        quant("w", "wq"),
        helper.make_node("Pad", ["q", "pads"], ["qp"]),
        helper.make_node("Conv", ["qp", "wq", "b"], ["c"], "conv", auto_pad="SAME_UPPER"),
        helper.make_node("BatchNormalization", ["c", "b", "b", "b", "b"], ["n"], epsilon=1e-3),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        quant("m", "p"),
        helper.make_node("Reshape", ["p", "s"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["d"], transB=1),
        helper.make_node("MultiThreshold", ["d", "t"], ["y"], domain=QONNX, out_dtype="UINT2"),
    ]
    constants = {"scale": 1.0, "zero": 0.0, "bits": 4.0, "w": integers(1, 2, 1, 3, 3)}
    constants |= {"b": [1.0, 2.0], "s": L([1, -1]), "g": integers(2, 3, 18)}
    constants |= {"pads": L([0, 0, 1, 1, 0, 0, 1, 1]), "t": [[1.0, 2.0, 3.0]]}
    return model(nodes, (1, 1, 4, 4), constants)


def folded() -> onnx.ModelProto:
    """A model whose shapes and scales are subgraphs of constants."""
    nodes = [
        helper.make_node("Shape", ["x"], ["e"]),
        helper.make_node("Slice", ["e", "i0", "i1"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["r"]),
        helper.make_node("ConstantOfShape", ["sizes"], ["k"]),
        helper.make_node("Expand", ["half", "sizes"], ["h"]),
        helper.make_node("Pow", ["h", "h"], ["h2"]),
        helper.make_node("Range", ["z", "two", "one"], ["range"]),
        helper.make_node("Gather", ["h2", "range"], ["h3"], axis=1),
        helper.make_node("Tile", ["h3", "tiles"], ["h4"]),
        helper.make_node("Cast", ["wide"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["h4", "w"], ["v"]),
        helper.make_node("Where", ["flag", "v", "k"], ["u"]),
        helper.make_node("Transpose", ["u"], ["ut"], perm=[1, 0]),
        helper.make_node("MatMul", ["r", "ut"], ["m"]),
        helper.make_node("Unsqueeze", ["m", "i0"], ["y"]),
    ]
    constants: dict[str, Any] = {"i0": L([0]), "i1": L([1]), "rest": L([-1]), "half": 0.5}
    constants |= {"sizes": L([2, 4]), "z": L(0), "two": L(2), "one": L(1), "tiles": L([1, 2])}
    constants |= {"wide": np.ones((4, 4)), "flag": np.array([True, False, True, True])}
    return model(nodes, (3, 2, 2), constants)


def quantised() -> onnx.ModelProto:
    """A model of QuantizeLinear and DequantizeLinear."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("Clip", ["q", "low", "high"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "scales", "zeros"], ["v"], axis=1),
        helper.make_node("MatMul", ["d", "v"], ["m"]),
        helper.make_node("Sigmoid", ["m"], ["y"]),
    ]
    constants: dict[str, Any] = {"scale": 0.5, "zero": np.array(0, np.int8)}
    constants |= {"low": np.array(-8, np.int8), "high": np.array(7, np.int8)}
    constants |= {"w": integers(3, 4, 3).astype(np.int8), "scales": [1.0, 2.0, 4.0]}
    return model(nodes, (2, 4), constants | {"zeros": np.zeros(3, np.int8)})


def moved() -> onnx.ModelProto:
    """A model that moves what it computes, and reduces it."""
    nodes = [
        helper.make_node("Pad", ["x", "pads", "half"], ["p"]),
        helper.make_node("Resize", ["p", "", "scales"], ["r"], mode="nearest"),
        helper.make_node("Split", ["r", "parts"], ["s", "t"], axis=1),
        helper.make_node("Concat", ["t", "s"], ["c"], axis=1),
        helper.make_node("Tile", ["c", "tiles"], ["u"]),
        helper.make_node("Slice", ["u", "starts", "ends", "axes", "steps"], ["v"]),
        helper.make_node("Gather", ["v", "index"], ["g"], axis=3),
        helper.make_node("DepthToSpace", ["g"], ["d"], blocksize=2),
        helper.make_node("AveragePool", ["d"], ["a"], kernel_shape=[2, 2]),
        helper.make_node("Expand", ["a", "shape"], ["e"]),
        helper.make_node("PRelu", ["e", "half"], ["l"]),
        helper.make_node("ReduceMean", ["l", "axes"], ["m"], keepdims=0),
        helper.make_node("Softmax", ["m"], ["k"], axis=-1),
        helper.make_node("TopK", ["k", "one"], ["y", "places"], axis=-1),
    ]
    constants: dict[str, Any] = {"pads": L([0, 0, 1, 0, 0, 0, 0, 1]), "half": 0.5, "one": L([1])}
    constants |= {"scales": np.float32([1, 1, 2, 2]), "parts": L([1, 3]), "tiles": L([1, 1, 1, 2])}
    constants |= {"starts": L([-1]), "ends": L([0]), "axes": L([2]), "steps": L([-2])}
    return model(nodes, (1, 4, 3, 3), constants | {"index": L([3, 0]), "shape": L([2, 1, 1, 3])})


SEEDS = (network(), folded(), quantised(), moved())
NUMBERS = (0, 1, -1, 2, 3, 7, 2**15, 2**20, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
REALS = (0.0, -0.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"), -1.0, 0.5)


def change_bytes(data: bytearray, rng: Random) -> None:
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 2)] = bytes(rng.choices(range(256), k=rng.randint(0, 2)))


def change_dims(proto: onnx.ModelProto, rng: Random) -> None:
    held = rng.choice(proto.graph.initializer)
    if held.dims and rng.random() < 0.7:
        held.dims[rng.randrange(len(held.dims))] = rng.choice(NUMBERS)
    else:
        held.dims.append(rng.choice(NUMBERS))


def change_values(proto: onnx.ModelProto, rng: Random) -> None:
    held = rng.choice(proto.graph.initializer)
    try:
        values = numpy_helper.to_array(held).copy()
    except (ValueError, TypeError, KeyError):
        return  # its dims or its type were changed before
    flat = values.reshape(-1)
    if flat.size:
        choices = REALS if values.dtype.kind == "f" else NUMBERS
        with np.errstate(all="ignore"):
            number = np.asarray(rng.choice(choices)).astype(values.dtype)
        flat[rng.randrange(flat.size)] = number
    held.CopyFrom(numpy_helper.from_array(values, held.name))


def change_type(proto: onnx.ModelProto, rng: Random) -> None:
    if rng.random() < 0.3:
        proto.graph.input[0].type.tensor_type.elem_type = rng.randrange(25)
    else:
        rng.choice(proto.graph.initializer).data_type = rng.randrange(25)


def change_wire(proto: onnx.ModelProto, rng: Random) -> None:
    node = rng.choice(proto.graph.node)
    names = [name for one in proto.graph.node for name in (*one.input, *one.output)] + [""]
    ends = rng.choice((node.input, node.output))
    if ends:
        ends[rng.randrange(len(ends))] = rng.choice(names)


def change_op(proto: onnx.ModelProto, rng: Random) -> None:
    node = rng.choice(proto.graph.node)
    node.op_type = rng.choice([one.op_type for one in proto.graph.node])
    node.domain = rng.choice(("", QONNX))


def change_attribute(proto: onnx.ModelProto, rng: Random) -> None:
    node = rng.choice(proto.graph.node)
    names = [one.name for other in proto.graph.node for one in other.attribute]
    value = rng.choice((*NUMBERS, *REALS, "", "NHWC", [rng.choice(NUMBERS)] * rng.randint(1, 5)))
    kept = [one for one in node.attribute if rng.random() < 0.7]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.append(helper.make_attribute(rng.choice(names), value))


def change_nodes(proto: onnx.ModelProto, rng: Random) -> None:
    nodes = list(proto.graph.node)
    match rng.randrange(3):
        case 0:
            nodes.remove(rng.choice(nodes))
        case 1:
            rng.shuffle(nodes)
        case _:
            nodes += [rng.choice(nodes)] * rng.randint(1, 30)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def change_input(proto: onnx.ModelProto, rng: Random) -> None:
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    dims[rng.randrange(len(dims))].dim_value = rng.choice(NUMBERS)


def change_opset(proto: onnx.ModelProto, rng: Random) -> None:
    proto.opset_import[0].version = rng.choice((*range(7, 27), 2**40))


CHANGES: Sequence[Callable[[onnx.ModelProto, Random], None]] = (
    change_dims,
    change_values,
    change_values,
    change_type,
    change_wire,
    change_op,
    change_attribute,
    change_attribute,
    change_nodes,
    change_input,
    change_opset,
)


def mutants(count: int, seed: int = 0) -> Iterator[bytes]:
    """Files, each one to three changes away from a valid one."""
    rng = Random(seed)
    for _ in range(count):
        proto = onnx.ModelProto()
        proto.CopyFrom(rng.choice(SEEDS))
        if rng.random() < 0.7:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                rng.choice(CHANGES)(proto, rng)
            yield proto.SerializeToString()
            continue
        data = bytearray(proto.SerializeToString())
        change_bytes(data, rng)
        yield bytes(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)


def attempt(data: bytes) -> bool:
    """Whether a file is imported; a refusal is one line of decent length."""
    started = time.process_time()
    try:
        import_onnx(data)
        return True
    except ImportFailed as error:
        text = str(error)
        assert "\n" not in text and 10 < len(text) < 600 and "internal error" not in text, text
        return False
    finally:
        assert time.process_time() - started < SECONDS


def run(count: int) -> None:
    """Try `count` files and say how it went."""
    import resource

    imported, slowest = 0, 0.0
    for index, data in enumerate(mutants(count)):
        started = time.perf_counter()
        try:
            imported += attempt(data)
        except BaseException:
            print(f"mutant {index} of {count}: {data!r:.4000}", file=sys.stderr)
            raise
        slowest = max(slowest, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} files: {imported} imported, {count - imported} refused in one line; ", end="")
    print(f"slowest {slowest:.2f} s, peak {peak:.0f} MB")
    assert peak < MEGABYTES


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
