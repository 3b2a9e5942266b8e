"""Read an ONNX file, which is not trusted: everything is bounded before anything is allocated by it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lowbit_dialect.importers.onnx_data import MAX_BYTES, TensorReader, checked_shape
from lowbit_dialect.importers.onnx_model import (
    Attribute,
    Constant,
    Extents,
    ImportFailed,
    Input,
    Model,
    Node,
    shown,
)
from lowbit_dialect.importers.onnx_wire import bound_fields

MAX_NODES = 10_000
MAX_LIST = 4096
MIN_OPSET = 7
CORE = ("", "ai.onnx")
INPUT_TYPES = {"FLOAT": "float32", "UINT8": "uint8", "INT8": "int8"}
ANY = Extents()


def read_model(source: Any, extents: Extents = ANY) -> Model:
    """Parse and bound a model: a path, the bytes of a file, or an `onnx.ModelProto`.

    Raises ImportFailed for anything that is no such model.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ImportFailed(
            "importing ONNX needs the extra 'onnx': pip install 'lowbit[onnx]'"
        ) from error
    data, folder = _bytes_of(source, onnx)
    if len(data) > MAX_BYTES:
        raise ImportFailed(f"the file has more than {MAX_BYTES} bytes, the limit here")
    bound_fields(data, onnx.ModelProto.DESCRIPTOR)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RecursionError, MemoryError) as error:
        raise ImportFailed("the file is truncated or no ONNX file: it does not parse") from error
    return _Reader(onnx, folder, extents).model(proto)


def _bytes_of(source: Any, onnx: Any) -> tuple[bytes, Path | None]:
    """The bytes of a model, and the folder that it lies in."""
    match source:
        case bytes():
            return source, None
        case str() | Path():
            path = Path(source)
            return _read(path), path.parent
        case onnx.ModelProto():
            try:
                return source.SerializeToString(), None
            except Exception as error:
                raise ImportFailed(f"it does not serialise: {shown(str(error))}") from error
        case _:
            kind = type(source).__name__
            raise ImportFailed(f"it is a {kind}: give a path, bytes or an onnx.ModelProto")


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ImportFailed("it is no file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ImportFailed):
            raise
        raise ImportFailed(f"cannot read {shown(str(path))}: {shown(str(error))}") from error


def static_shape(
    owner: str, name: str, dims: list[int] | None, names: list[str], extents: Extents
) -> list[int]:
    """The shape of an input, 0 where the file leaves an extent open, with what the user says."""
    given, batch = extents.shapes.get(name), extents.batch
    if given is None and dims is None:
        raise ImportFailed(
            f"{owner} has no shape: give shapes={{{shown(name)}: (1, 3)}}, or --shape {name:.60}=1x3"
        )
    if given is None and batch is not None and dims:
        given = [batch, *dims[1:]]
    shape = dims if given is None else list(given)
    assert shape is not None
    if not shape:
        raise ImportFailed(f"{owner} is one number without axes: give it the shape [1]")
    if dims is not None and (
        len(shape) != len(dims) or any(a not in (0, b) for a, b in zip(dims, shape))
    ):
        told = [names[i] or "?" if extent == 0 else extent for i, extent in enumerate(dims)]
        raise ImportFailed(f"{owner} has the shape {told!s:.200} in the file, not {shape!s:.200}")
    for axis, extent in enumerate(shape):
        if extent < 1:
            param = f" {shown(names[axis])}" if axis < len(names) and names[axis] else ""
            advice = "batch=1 or " if axis == 0 else ""
            full = [str(extent or "N") for extent in shape]
            raise ImportFailed(
                f"{owner} has a dynamic extent{param} on axis {axis}: give {advice}shapes="
                f"{{{shown(name)}: ({', '.join(full)})}}, or --shape {name:.60}={'x'.join(full)}"
            )
    return shape


class _Reader:
    """Turns protobuf messages into plain values; holds the lazily imported package."""

    def __init__(self, onnx: Any, folder: Path | None, extents: Extents):
        self.onnx = onnx
        self.extents = extents
        self.opened: set[int] = set()
        """First extents that the user gave and the file did not."""
        self.tensor = TensorReader(onnx, folder).tensor

    def model(self, proto: Any) -> Model:
        opset = min((e.version for e in proto.opset_import if e.domain in CORE), default=MIN_OPSET)
        if opset < MIN_OPSET:
            raise ImportFailed(
                f"the model is of ONNX opset {opset}: convert it to {MIN_OPSET} or later by "
                "onnx.version_converter"
            )
        graph = proto.graph
        if proto.functions:
            raise ImportFailed("the model has functions: inline them by onnx.inliner")
        if graph.sparse_initializer:
            raise ImportFailed("the model has sparse initializers: store them as dense ones")
        if not graph.node or not graph.output:
            raise ImportFailed("the file holds no graph with nodes and outputs")
        if len(graph.node) > MAX_NODES:
            raise ImportFailed(f"the graph has {len(graph.node)} nodes; the limit is {MAX_NODES}")
        constants = {
            t.name: self.tensor(t, f"initializer {shown(t.name)}") for t in graph.initializer
        }
        self.annotate(graph, constants)
        if len(graph.output) > MAX_LIST:
            raise ImportFailed(f"the graph has more than {MAX_LIST} outputs, the limit here")
        inputs = self.inputs([value for value in graph.input if value.name not in constants])
        outputs = tuple(v.name for v in graph.output)
        if len(set(outputs)) < len(outputs):
            raise ImportFailed("two outputs have one name")
        nodes = tuple(self.node(n) for n in graph.node)
        batch = self.opened.pop() if len(self.opened) == 1 else None
        return Model(nodes, inputs, outputs, constants, opset, batch)

    def inputs(self, values: list[Any]) -> dict[str, Input]:
        """The graph inputs by name."""
        names = [value.name for value in values]
        if len(names) > MAX_LIST:
            raise ImportFailed(f"the graph has more than {MAX_LIST} inputs, the limit here")
        if "" in names:
            raise ImportFailed("an input has no name")
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ImportFailed(f"two inputs are called {shown(twice[0])}")
        if unknown := [name for name in self.extents.shapes if name not in names]:
            raise ImportFailed(
                f"a shape is given for {unknown[0]!r:.60}, which is no input: those are "
                f"{', '.join(map(shown, names[:9]))}"
            )
        return {value.name: self.input(value) for value in values}

    def input(self, value: Any) -> Input:
        """A graph input, its shape made static."""
        owner = f"input {shown(value.name)}"
        type = value.type.tensor_type
        kinds = {self.onnx.TensorProto.DataType.Value(k): v for k, v in INPUT_TYPES.items()}
        if type.elem_type not in kinds:
            listed = ", ".join(kinds.values())
            raise ImportFailed(f"{owner} is not a tensor of {listed}, the input types imported")
        dims: list[int] | None = None
        if type.HasField("shape"):
            # Some exporters write 0 or -1 for an extent that is open.
            dims = [max(0, dim.dim_value) for dim in type.shape.dim]
        names = [dim.dim_param for dim in type.shape.dim]
        shape = static_shape(owner, value.name, dims, names, self.extents)
        if shape and not (dims and dims[0]):
            self.opened.add(shape[0])
        return Input(checked_shape(owner, shape), kinds[type.elem_type])

    def node(self, proto: Any) -> Node:
        """One node with bounded lists and decoded attributes."""
        op = proto.op_type if proto.op_type[:40].isidentifier() else shown(proto.op_type)
        owner = f"{op[:40]} {shown(proto.name)}"
        if max(len(proto.input), len(proto.output), len(proto.attribute)) > MAX_LIST:
            raise ImportFailed(f"{owner} has more than {MAX_LIST} inputs, outputs or attributes")
        attributes = {a.name: self.attribute(a, owner) for a in proto.attribute}
        inputs, outputs = tuple(proto.input), tuple(proto.output)
        return Node(op[:40], proto.domain, proto.name, inputs, outputs, attributes)

    def attribute(self, proto: Any, owner: str) -> Attribute:
        """An attribute as a plain value."""
        owner = f"{owner}, attribute {shown(proto.name)},"
        kinds = self.onnx.AttributeProto
        if max(len(proto.ints), len(proto.floats), len(proto.s)) > MAX_LIST:
            raise ImportFailed(f"{owner} is longer than {MAX_LIST}")
        match proto.type:
            case kinds.INT:
                return int(proto.i)
            case kinds.FLOAT:
                return float(proto.f)
            case kinds.STRING:
                return proto.s.decode("utf-8", "replace")
            case kinds.INTS:
                return tuple(int(v) for v in proto.ints)
            case kinds.FLOATS:
                return tuple(float(v) for v in proto.floats)
            case kinds.TENSOR:
                return self.tensor(proto.t, owner)
            case _:
                if proto.type in (kinds.GRAPH, kinds.GRAPHS):
                    raise ImportFailed(f"{owner} is a graph: control flow is not imported")
                raise ImportFailed(f"{owner} is no number, string or tensor")

    def annotate(self, graph: Any, constants: dict[str, Constant]) -> None:
        """Make integers of f32 initializers that QONNX annotates with a low-bit datatype."""
        for note in graph.quantization_annotation:
            entries = {e.key: e.value for e in note.quant_parameter_tensor_names}
            bounds = datatype_bounds(entries.get("finn_datatype", ""))
            constant = constants.get(note.tensor_name)
            if constant is None or bounds is None or constant.values.dtype != np.float32:
                continue
            low, high = bounds
            values = constant.values
            if not np.all((values >= low) & (values <= high) & (values == np.round(values))):
                raise ImportFailed(
                    f"initializer {shown(note.tensor_name)} is annotated as integers of "
                    f"{low}..{high} and holds other values"
                )
            one = np.ones((1,) * values.ndim, np.float32)
            constants[note.tensor_name] = Constant(values.astype(np.int16), bounds, one)


def datatype_bounds(name: str) -> tuple[int, int] | None:
    """Range of a QONNX datatype of up to 8 bits: `INT4` is -8..7; None for any other."""
    fixed = {"BINARY": (0, 1), "BIPOLAR": (-1, 1), "TERNARY": (-1, 1)}
    if name in fixed:
        return fixed[name]
    kind, bits = name[:-1], name[-1:]
    if kind not in ("INT", "UINT") or bits not in tuple("12345678"):
        return None
    low = 0 if kind == "UINT" else -(1 << (int(bits) - 1))
    return low, low + (1 << int(bits)) - 1
