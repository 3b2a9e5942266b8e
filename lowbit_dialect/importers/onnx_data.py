"""Tensors of an ONNX file, in it or beside it: what they declare agrees with the bytes that are there."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lowbit_dialect.importers.onnx_model import MAX_ELEMENTS, Constant, ImportFailed, shown
from lowbit_dialect.layout import Array

MAX_BYTES = 1 << 28
"""Of a model file, and of all that is read beside it."""
MAX_RANK = 6
DTYPES = {
    "FLOAT": (32, "float_data"),
    "DOUBLE": (64, "double_data"),
    "FLOAT16": (16, "int32_data"),
    "BFLOAT16": (16, "int32_data"),
    "BOOL": (8, "int32_data"),
    "INT64": (64, "int64_data"),
    "INT32": (32, "int32_data"),
    "INT16": (16, "int32_data"),
    "INT8": (8, "int32_data"),
    "INT4": (4, "int32_data"),
    "INT2": (2, "int32_data"),
    "UINT64": (64, "uint64_data"),
    "UINT32": (32, "uint64_data"),
    "UINT16": (16, "int32_data"),
    "UINT8": (8, "int32_data"),
    "UINT4": (4, "int32_data"),
    "UINT2": (2, "int32_data"),
}
"""Bits of an element, and the field that holds elements which are not raw bytes."""


def checked_shape(owner: str, dims: list[int]) -> tuple[int, ...]:
    """`dims` as a shape, if its rank, extents and product are within bounds."""
    if len(dims) > MAX_RANK:
        raise ImportFailed(f"{owner} has rank {len(dims)}; up to {MAX_RANK} is imported")
    if any(extent < 0 for extent in dims):
        raise ImportFailed(f"{owner} has a negative extent")
    if prod(dims) > MAX_ELEMENTS or max(dims, default=0) > MAX_ELEMENTS:
        raise ImportFailed(f"{owner} has more than {MAX_ELEMENTS} elements, the limit here")
    return tuple(dims)


class TensorReader:
    """Reads the tensors of one model, whose file lies in `folder`; None if it came as bytes."""

    def __init__(self, onnx: Any, folder: Path | None):
        self.onnx = onnx
        self.folder = folder
        self.outside = 0
        """Bytes read beside the file."""

    def tensor(self, proto: Any, owner: str) -> Constant:
        """The values of a tensor."""
        names = {number: name for name, number in self.onnx.TensorProto.DataType.items()}
        dtype = names.get(proto.data_type, str(proto.data_type))
        if dtype not in DTYPES:
            raise ImportFailed(f"{owner} is of type {dtype}; numbers and booleans are imported")
        bits, field = DTYPES[dtype]
        shape = checked_shape(owner, list(proto.dims))
        if proto.data_location == self.onnx.TensorProto.EXTERNAL:
            data = self.external(proto, owner, -(-prod(shape) * bits // 8))
            proto = self.onnx.TensorProto(dims=proto.dims, data_type=proto.data_type, raw_data=data)
        values = self.values(proto, owner, prod(shape), bits, field).reshape(shape)
        if "INT" not in dtype:
            return Constant(values)
        low = 0 if dtype.startswith("U") else -(1 << (bits - 1))
        if bits < 8:
            values = values.astype(np.int8 if low else np.uint8)
        return Constant(values, (low, low + (1 << bits) - 1))

    def values(self, proto: Any, owner: str, count: int, bits: int, field: str) -> Array:
        """Decode `count` elements, which must be all that the tensor holds."""
        packed = -(-count * bits // 8)
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

    def external(self, proto: Any, owner: str, size: int) -> bytes:
        """The `size` bytes of a tensor that a file beside the model holds, and no other file."""
        entries = {entry.key: entry.value for entry in proto.external_data}
        name = entries.get("location", "")
        where = f"{owner} keeps its data in the file {shown(name)}"
        if self.folder is None:
            raise ImportFailed(f"{where}: give the path of the model, beside which that lies")
        if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
            raise ImportFailed(f"{where}: only files in the folder of the model are read")
        try:
            path = (self.folder / name).resolve(strict=True)
            if path.parent != self.folder.resolve():
                raise ImportFailed(f"{where}, a link out of the folder of the model: copy it there")
            if not path.is_file():
                raise ImportFailed(f"{where}, which is no file")
            return self.part(path, entries, where, size)
        except (OSError, RuntimeError) as error:
            raise ImportFailed(f"{where}, which cannot be read: {shown(str(error))}") from error

    def part(self, path: Path, entries: dict[str, str], where: str, size: int) -> bytes:
        """`size` bytes of a file, from where the entries say."""
        texts = entries.get("offset", "0"), entries.get("length", str(size))
        if not all(text.isdecimal() and text.isascii() and len(text) < 20 for text in texts):
            raise ImportFailed(f"{where}, at an offset or of a length that is no number")
        offset, length = map(int, texts)
        if length != size:
            raise ImportFailed(f"{where}: {length} bytes where its shape asks for {size}")
        if offset + size > path.stat().st_size:
            raise ImportFailed(f"{where}, which ends before byte {offset + size}")
        self.outside += size
        if self.outside > MAX_BYTES:
            raise ImportFailed(f"{where}: more than {MAX_BYTES} bytes in all, the limit here")
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
