"""Arrays in .npy and .npz files, which may be torn, encrypted, or no such files at all."""

from __future__ import annotations

import struct
import sys
import zlib
from io import BytesIO
from lzma import LZMAError
from tokenize import TokenError
from typing import IO, Any, cast
from zipfile import BadZipFile

import numpy as np

from lowbit.errors import one_line
from lowbit_dialect.layout import Array

STDIN = "-"
"""In place of a file: standard input."""
_UNREADABLE = (
    BadZipFile,
    EOFError,
    LZMAError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What NumPy and its unpackers raise at bytes that others wrote, an encrypted file's among them."""
_STARTS = b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06"
"""Of .npy files, and of archives, an empty one's the last; NumPy takes all else for a pickle."""


def _opened(path: str) -> IO[bytes]:
    # An .npz file is read from its end.
    return BytesIO(sys.stdin.buffer.read()) if path == STDIN else open(path, "rb")


def load_arrays(path: str) -> Array | dict[str, Array]:
    """Read an .npy file, or an .npz file by name, or what stdin has for `-`; nothing is unpickled.

    Raises OSError, or ValueError naming the file and what is wrong with it.
    """
    try:
        with _opened(path) as file:
            if (start := file.read(6)) and not start.startswith(_STARTS):
                raise ValueError("it begins as neither does")
            file.seek(0)
            loaded: Any = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return cast(Array, loaded)
            arrays = {name: loaded[name] for name in loaded.files}
    except _UNREADABLE as error:
        raise ValueError(f"{path}: no readable .npy or .npz file: {_reason(error)}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{path}: '{name}' in it is no array")
    return arrays


def _reason(error: Exception) -> str:
    """What is wrong, without NumPy's advice to unpickle whatever it is."""
    said = str(error) or type(error).__name__
    if said.startswith("Object arrays"):
        return "it holds Python objects, and nothing is unpickled: save numbers"
    return one_line(said.splitlines()[0], 200)
