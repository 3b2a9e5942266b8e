"""Where a model comes from: files, bytes, protos, data beside the file, extents that a file leaves open."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper
from onnx_oracle import block_of, expected, imported, integers, model, op_names, quant

from lowbit_dialect import reference
from lowbit_dialect.importers import Extents, ImportFailed, import_onnx, onnx_data

WEIGHTS = integers(1, 3, 4)


def product() -> onnx.ModelProto:
    """A MatMul with two external weights."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["y"]),
    ]
    return model(nodes, (2, 3), {"w": WEIGHTS, "b": integers(2, 4)})


def saved(folder: Path) -> Path:
    """The model in a file, its weights in `net.data` beside it."""
    path = folder / "net.onnx"
    proto = product()
    onnx.save_model(proto, path, save_as_external_data=True, location="net.data", size_threshold=0)
    return path


def test_data_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path)
    assert b"w" in path.read_bytes() and (tmp_path / "net.data").stat().st_size >= 64
    assert str(import_onnx(path)) == str(imported(product()))
    monkeypatch.chdir(tmp_path)
    assert str(import_onnx("net.onnx")) == str(imported(product()))
    os.rename("net.data", "other")
    os.symlink("other", "net.data")
    assert str(import_onnx("net.onnx")) == str(imported(product()))


def entry(key: str, value: str):
    """An edit of where the first weight lies."""

    def edit(proto: onnx.ModelProto, _: Path) -> None:
        entries = proto.graph.initializer[0].external_data
        kept = [(one.key, one.value) for one in entries if one.key != key]
        del entries[:]
        for name, text in [*kept, (key, value)]:
            entries.add(key=name, value=text)

    return edit


def link_out(_: onnx.ModelProto, folder: Path) -> None:
    os.rename(folder / "net.data", folder.parent / "outside.data")
    os.symlink("../outside.data", folder / "net.data")


def loop(_: onnx.ModelProto, folder: Path) -> None:
    os.remove(folder / "net.data")
    os.symlink("net.data", folder / "net.data")


def pipe(_: onnx.ModelProto, folder: Path) -> None:
    os.remove(folder / "net.data")
    os.mkfifo(folder / "net.data")


def shorten(_: onnx.ModelProto, folder: Path) -> None:
    os.truncate(folder / "net.data", 20)


def remove(_: onnx.ModelProto, folder: Path) -> None:
    os.remove(folder / "net.data")


UNSAFE = [
    (entry("location", "../net/net.data"), "only files in the folder of the model are read"),
    (entry("location", "/etc/passwd"), "only files in the folder of the model are read"),
    (entry("location", "sub/../net.data"), "only files in the folder of the model are read"),
    (entry("location", r"..\net.data"), "only files in the folder of the model are read"),
    (entry("location", ".."), "only files in the folder of the model are read"),
    (entry("location", ""), "only files in the folder of the model are read"),
    (entry("location", "net.data\0"), "only files in the folder of the model are read"),
    (entry("location", "x" * 5000), "which cannot be read"),
    (entry("offset", "-4"), "at an offset or of a length that is no number"),
    (entry("offset", "1e3"), "at an offset or of a length that is no number"),
    (entry("offset", "9" * 18), "ends before byte 1000"),
    (entry("offset", "9" * 30), "at an offset or of a length that is no number"),
    (entry("length", "8"), "8 bytes where its shape asks for 48"),
    (link_out, "a link out of the folder of the model"),
    (loop, "which cannot be read"),
    (pipe, "which is no file"),
    (shorten, "ends before byte"),
    (remove, "which cannot be read"),
]


@pytest.mark.parametrize("edit,message", UNSAFE, ids=lambda value: None)
def test_data_is_read_nowhere_else(tmp_path: Path, edit, message):
    folder = tmp_path / "net"
    folder.mkdir()
    path = saved(folder)
    proto = onnx.load(path, load_external_data=False)
    edit(proto, folder)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ImportFailed, match=f"^initializer '[wb]' keeps its data in .*{message}"):
        import_onnx(path)


def test_data_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path)
    monkeypatch.setattr(onnx_data, "MAX_BYTES", 60)
    with pytest.raises(ImportFailed, match="more than 60 bytes in all, the limit here"):
        import_onnx(path)


def test_protos_and_bytes():
    proto = product()
    assert str(import_onnx(proto)) == str(import_onnx(proto.SerializeToString()))
    external_data_helper.set_external_data(proto.graph.initializer[0], "net.data")
    with pytest.raises(ImportFailed, match=r"'net\.data': give the path of the model"):
        import_onnx(proto)
    with pytest.raises(ImportFailed, match=r"^it is a GraphProto: give a path, bytes or an onnx\."):
        import_onnx(proto.graph)


def test_no_error_prints_a_model():
    large = product()
    large.graph.initializer[0].raw_data = b"\1" * 100_000
    for source in (large, large.SerializeToString(), large.SerializeToString().decode("latin1")):
        with pytest.raises(ImportFailed) as error:
            import_onnx(source)
        assert len(str(error.value)) < 300


def classifier(batch: int | str) -> onnx.ModelProto:
    """A convolution and a reshape whose shape was traced with a batch of one."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Reshape", ["c", "to"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["y"]),
    ]
    constants = {"w": integers(3, 2, 1, 2, 2), "to": np.array([1, -1]), "v": integers(4, 8, 3)}
    return model(nodes, (batch, 1, 3, 3), constants)


def test_a_batch_for_a_file_that_leaves_it_open():
    module = import_onnx(classifier("N"), Extents(batch=5))
    x = integers(5, 5, 1, 3, 3)
    rows = [expected(classifier(1), x[i : i + 1]) for i in range(5)]
    np.testing.assert_array_equal(reference.run(module, x)[0], np.concatenate(rows))
    assert str(module) == str(import_onnx(classifier("N"), Extents({"x": (5, 1, 3, 3)})))


@pytest.mark.parametrize(
    "extents,message",
    [
        (Extents(), "a dynamic extent 'N' on axis 0: give batch=1 or shapes={'x': .N, 1, 3, 3.}"),
        (Extents({"x": (2, 1, 4, 3)}), r"has the shape \['N', 1, 3, 3\] in the file, not"),
        (Extents({"x": (2, 1, 3)}), "in the file, not"),
        (Extents({"x": (0, 1, 3, 3)}), "a dynamic extent 'N' on axis 0"),
        (Extents({"x": (-1, 1, 3, 3)}), "a dynamic extent 'N' on axis 0"),
        (Extents({"z": (2,)}), "a shape is given for 'z', which is no input: those are 'x'"),
        (Extents(batch=2**40), "more than 268435456 elements"),
    ],
)
def test_extents_that_do_not_fit(extents, message):
    with pytest.raises(ImportFailed, match=message):
        import_onnx(classifier("N"), extents)


def test_a_batch_that_the_file_fixes():
    import_onnx(classifier(1), Extents(batch=1))
    with pytest.raises(ImportFailed, match=r"has the shape \[1, 1, 3, 3\] in the file, not \[2"):
        import_onnx(classifier(1), Extents(batch=2))


def of_bytes(kind: int, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """A model with an input of 8-bit integers."""
    proto = model(nodes, (2, 3))
    proto.graph.input[0].type.tensor_type.elem_type = kind
    return proto


@pytest.mark.parametrize("kind,dtype", [(TensorProto.UINT8, np.uint8), (TensorProto.INT8, np.int8)])
def test_integer_inputs(kind, dtype):
    cast = helper.make_node("Cast", ["t"], ["f"], to=TensorProto.FLOAT)
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        cast,
        helper.make_node("Mul", ["f", "f"], ["y"]),
    ]
    proto, x = of_bytes(kind, nodes), np.arange(6, dtype=dtype).reshape(2, 3)
    module = imported(proto)
    np.testing.assert_array_equal(reference.run(module, x)[0], expected(proto, x))
    assert "!lowbit.u" in str(block_of(module).args[0].type) or dtype == np.int8
    with pytest.raises(ImportFailed, match="reads integers as such: a Cast or a DequantizeLinear"):
        imported(of_bytes(kind, [helper.make_node("Relu", ["x"], ["y"])]))


def test_integers_are_returned_as_such():
    module = imported(of_bytes(TensorProto.UINT8, [helper.make_node("Identity", ["x"], ["y"])]))
    x = np.arange(6, dtype=np.uint8).reshape(2, 3)
    (y,) = reference.run(module, x)
    assert y.dtype == np.uint8 and np.array_equal(x, y)


@pytest.mark.parametrize("to", [TensorProto.INT8, TensorProto.UINT8])
def test_cast_of_floats_cuts(to):
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=to),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    proto = model(nodes, (2, 4))
    x = np.float32([[1.5, 0.99, 0, 126.9], [3.49, 2.5, 100, 7]])
    x = x if to == TensorProto.UINT8 else -x
    np.testing.assert_array_equal(reference.run(imported(proto), x)[0], expected(proto, x))


def test_cast_of_whole_codes_is_no_op():
    nodes = [
        quant("x", "q"),
        helper.make_node("Cast", ["q"], ["i"], to=TensorProto.INT32),
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["f"], ["y"], to=TensorProto.FLOAT),
    ]
    module = imported(model(nodes, (2, 4), {"scale": 1.0, "zero": 0.0, "bits": 4.0}))
    assert op_names(module) == ["quantize", "requantize"]


@pytest.mark.parametrize("to,message", [(TensorProto.DOUBLE, "leave it float32"), (7, "8 bits")])
def test_casts_that_are_refused(to, message):
    with pytest.raises(ImportFailed, match=message):
        imported(model([helper.make_node("Cast", ["x"], ["y"], to=to)], (2, 4)))
