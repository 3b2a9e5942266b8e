import io
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lowbit.array_files import load_arrays


def archive(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(5000, dtype=np.int32) % 13)
    with zipfile.ZipFile(held, "w", method) as file:
        file.writestr("x.npy", array.getvalue())
    return held.getvalue()


def changed(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def marked(field: int, value: int) -> bytes:
    """An archive with a field of 16 bits of both its headers changed."""
    data = archive()
    data = changed(data, field, struct.pack("<H", value))
    return changed(data, data.index(b"PK\1\2") + field + 2, struct.pack("<H", value))


def objects() -> bytes:
    held = io.BytesIO()
    np.save(held, np.array([{}], dtype=object), allow_pickle=True)
    return held.getvalue()


def long_header() -> bytes:
    fields = [(f"field{index}", "<f4") for index in range(2000)]
    held = io.BytesIO()
    np.lib.format.write_array(held, np.zeros(1, fields), (2, 0))
    return held.getvalue()


DAMAGED = {
    "zlib": (changed(archive(), 60, bytes(40)), "Error -3 while decompressing"),
    "lzma": (changed(archive(zipfile.ZIP_LZMA), 52, bytes(40)), "Corrupt input data"),
    "encrypted": (marked(6, 1), "is encrypted, password required"),
    "method": (marked(8, 97), "compression method is not supported|compression type"),
    "torn": (archive()[:-30], "not a zip file"),
    "header": (changed(archive(zipfile.ZIP_STORED), 35 + 10, b"{[(0'"), "EOF in multi-line"),
    "text": (b"PK\3\4 is not enough", "not a zip file"),
    "empty": (b"", "No data left in file"),
    "neither": (b"hello world", "it begins as neither does$"),
    "objects": (objects(), "it holds Python objects, and nothing is unpickled: save numbers$"),
    "long": (long_header(), r"Header info length .* may not be safe to load securely\.$"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_files_that_are_damaged(kind: str, tmp_path: Path) -> None:
    data, message = DAMAGED[kind]
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    start = re.escape(f"{path}: no readable .npy or .npz file: ")
    with pytest.raises(ValueError, match=f"^{start}.*({message})"):
        load_arrays(str(path))


def test_what_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"x\.npz: 'readme\.txt' in it is no array"):
        load_arrays(str(tmp_path / "x.npz"))


def test_whole_files(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(archive())
    loaded = load_arrays(str(tmp_path / "x.npz"))
    assert isinstance(loaded, dict) and loaded["x"].sum() == (np.arange(5000) % 13).sum()
    np.save(tmp_path / "x.npy", loaded["x"])
    assert np.array_equal(load_arrays(str(tmp_path / "x.npy")), loaded["x"])
