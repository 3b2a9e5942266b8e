"""Read an ONNX file, which is not trusted: everything is bounded before anything is allocated by it."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lowbit_dialect.importers.onnx_model import (
    MAX_ELEMENTS,
    Attribute,
    Constant,
    ImportFailed,
    Model,
    Node,
    shown,
)
from lowbit_dialect.importers.onnx_wire import bound_fields
from lowbit_dialect.layout import Array

MAX_BYTES = 1 << 28
MAX_NODES = 10_000
MAX_RANK = 6
MAX_LIST = 4096
MIN_OPSET = 7
CORE = ("", "ai.onnx")
DTYPES = {
    "FLOAT": (np.float32, 32),
    "INT64": (np.int64, 64),
    "INT32": (np.int32, 32),
    "INT16": (np.int16, 16),
    "INT8": (np.int8, 8),
    "UINT16": (np.uint16, 16),
    "UINT8": (np.uint8, 8),
    "INT4": (np.int8, 4),
    "UINT4": (np.uint8, 4),
    "INT2": (np.int8, 2),
    "UINT2": (np.uint8, 2),
}


def read_model(source: str | Path | bytes) -> Model:
    """Parse and bound a file or its bytes. Raises ImportFailed for anything that is no such model."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ImportFailed(
            "importing ONNX needs the extra 'onnx': pip install 'lowbit[onnx]'"
        ) from error
    data = source if isinstance(source, bytes) else _read(Path(source))
    if len(data) > MAX_BYTES:
        raise ImportFailed(f"the file has more than {MAX_BYTES} bytes, the limit here")
    bound_fields(data, onnx.ModelProto.DESCRIPTOR)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RecursionError, MemoryError) as error:
        raise ImportFailed("the file is truncated or no ONNX file: it does not parse") from error
    return _Reader(onnx).model(proto)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ImportFailed("it is no file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ImportFailed):
            raise
        raise ImportFailed(f"cannot read {str(path)!r}: {shown(str(error))}") from error


def checked_shape(owner: str, dims: list[int]) -> tuple[int, ...]:
    """`dims` as a shape, if its rank, extents and product are within bounds."""
    if len(dims) > MAX_RANK:
        raise ImportFailed(f"{owner} has rank {len(dims)}; up to {MAX_RANK} is imported")
    if any(extent < 0 for extent in dims):
        raise ImportFailed(f"{owner} has a negative extent")
    if prod(dims) > MAX_ELEMENTS or max(dims, default=0) > MAX_ELEMENTS:
        raise ImportFailed(f"{owner} has more than {MAX_ELEMENTS} elements, the limit here")
    return tuple(dims)


class _Reader:
    """Turns protobuf messages into plain values; holds the lazily imported package."""

    def __init__(self, onnx: Any):
        self.onnx = onnx

    def model(self, proto: Any) -> Model:
        for entry in proto.opset_import:
            if entry.domain in CORE and entry.version < MIN_OPSET:
                raise ImportFailed(
                    f"the model is of ONNX opset {entry.version}; {MIN_OPSET} or later is imported"
                )
        graph = proto.graph
        for what, count in (
            ("functions", len(proto.functions)),
            ("sparse initializers", len(graph.sparse_initializer)),
        ):
            if count:
                raise ImportFailed(f"the model has {what}, which are not imported: inline them")
        if not graph.node or not graph.output:
            raise ImportFailed("the file holds no graph with nodes and outputs")
        if len(graph.node) > MAX_NODES:
            raise ImportFailed(f"the graph has {len(graph.node)} nodes; the limit is {MAX_NODES}")
        constants = {
            t.name: self.tensor(t, f"initializer {shown(t.name)}") for t in graph.initializer
        }
        self.annotate(graph, constants)
        inputs: dict[str, tuple[int, ...]] = {}
        for value in graph.input:
            if value.name in inputs:
                raise ImportFailed(f"two inputs are called {shown(value.name)}")
            if value.name not in constants:
                inputs[value.name] = self.input(value)
        outputs = tuple(v.name for v in graph.output)
        return Model(tuple(self.node(n) for n in graph.node), inputs, outputs, constants)

    def input(self, value: Any) -> tuple[int, ...]:
        """The static shape of a graph input of f32."""
        owner = f"input {shown(value.name)}"
        type = value.type.tensor_type
        if type.elem_type != self.onnx.TensorProto.FLOAT:
            raise ImportFailed(f"{owner} is not a tensor of float32, the input type imported")
        if not type.HasField("shape"):
            raise ImportFailed(f"{owner} has no shape: export the model with fixed shapes")
        for axis, dim in enumerate(type.shape.dim):
            if not dim.HasField("dim_value"):
                name = f" {shown(dim.dim_param)}" if dim.dim_param else ""
                raise ImportFailed(
                    f"{owner} has a dynamic extent{name} on axis {axis}: export with fixed shapes"
                )
        shape = checked_shape(owner, [dim.dim_value for dim in type.shape.dim])
        if 0 in shape or not shape:
            raise ImportFailed(f"{owner} has shape {list(shape)}: every extent is at least 1")
        return shape

    def tensor(self, proto: Any, owner: str) -> Constant:
        """The values of a tensor whose declared size agrees with the bytes that are there."""
        if proto.data_location == self.onnx.TensorProto.EXTERNAL or proto.external_data:
            raise ImportFailed(
                f"{owner} keeps its data in another file: save the model as one file"
            )
        names = {number: name for name, number in self.onnx.TensorProto.DataType.items()}
        dtype = names.get(proto.data_type, str(proto.data_type))
        if dtype not in DTYPES:
            raise ImportFailed(f"{owner} is of type {dtype}; float32 and integers are imported")
        kind, bits = DTYPES[dtype]
        shape = checked_shape(owner, list(proto.dims))
        values = self.values(proto, owner, prod(shape), bits)
        if kind == np.float32:
            return Constant(values.reshape(shape).astype(np.float32, copy=False))
        low = 0 if dtype.startswith("U") else -(1 << (bits - 1))
        return Constant(values.reshape(shape).astype(kind), (low, low + (1 << bits) - 1))

    def values(self, proto: Any, owner: str, count: int, bits: int) -> Array:
        """Decode `count` elements, which must be all that the tensor holds."""
        packed = -(-count * bits // 8)
        field = {32: "float_data", 64: "int64_data"}.get(bits, "int32_data")
        if bits == 32 and proto.data_type == self.onnx.TensorProto.INT32:
            field = "int32_data"
        want, got = count if bits >= 8 else packed, len(getattr(proto, field))
        if proto.HasField("raw_data"):
            want, got = packed, len(proto.raw_data)
        if want != got:
            unit = "bytes" if proto.HasField("raw_data") else "values"
            raise ImportFailed(f"{owner} holds {got} {unit} where its shape asks for {want}")
        try:
            return np.asarray(self.onnx.numpy_helper.to_array(proto))
        except Exception as error:
            raise ImportFailed(f"{owner} does not decode: {shown(str(error))}") from error

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
