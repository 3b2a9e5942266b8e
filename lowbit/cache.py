"""Compiled kernels on disk, found again by everything that decides their code."""

from __future__ import annotations

import hashlib
import os
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

from lowbit.saved import FORMAT, Saved, from_bytes, read_own, require_own, to_bytes, write_at_once

ENDING = ".cached"
MOST_BYTES = 1 << 30
"""What a folder holds at most; what was not used for longest goes first."""
_ROOMS = ("lowbit_dialect", "microkernels", "lowering", "autotune", "lowbit")


class Cache:
    """A folder of kernels. Any number of processes may use it at the same time."""

    def __init__(self, folder: Path):
        """Make the folder if there is none; raises ValueError for one that others can write."""
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            require_own(folder.stat())
        except ValueError as error:
            raise ValueError(f"cache folder {folder}: {error}") from None
        except OSError as error:
            raise ValueError(f"cache folder {folder}: {error.strerror}") from None

    @classmethod
    def of(cls, where: bool | str | Path) -> Cache | None:
        """The user's cache for True, the one of a folder, or none for False."""
        if isinstance(where, bool):
            return cls(user_folder()) if where else None
        return cls(Path(where))

    def find(self, key: str) -> Saved | None:
        """What was kept under a key; None if there is nothing, or nothing that can be trusted."""
        path = self._path(key)
        try:
            saved = from_bytes(read_own(path))
            os.utime(path)
        except (OSError, ValueError):
            return None
        return saved

    def keep(self, key: str, saved: Saved) -> None:
        """Keep a kernel under a key; only warns where the disk does not take it."""
        try:
            write_at_once(self._path(key), to_bytes(saved))
            self._trim()
        except OSError as error:
            warnings.warn(
                f"the kernel is not cached: {error.strerror}: {self.folder}", stacklevel=3
            )

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{ENDING}"

    def _trim(self) -> None:
        """Remove what was not used for longest until the rest fits, half-written files of the dead too."""
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.glob(f"*{ENDING}"):
            with suppress(OSError):  # another process was faster
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= MOST_BYTES:
                return
            with suppress(OSError):
                path.unlink()
            total -= size


def user_folder() -> Path:
    """Where the caches of this user lie by the rules of the system, and ours among them."""
    told = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(told) if os.path.isabs(told) else Path.home() / ".cache"
    return base / "lowbit"


def key_of(*decisive: str) -> str:
    """A name for what these texts decide together with every version that takes part."""
    digest = hashlib.sha256()
    for text in (str(FORMAT), *_versions(), *decisive):
        data = text.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


@cache
def _versions() -> tuple[str, ...]:
    """Versions of what makes code; our own sources count as they are, since a clone changes in place."""
    from importlib.metadata import version  # it brings a parser of mail

    own = hashlib.sha256()
    base = Path(__file__).parents[1]
    sources = (path for room in _ROOMS for path in (base / room).rglob("*.*"))
    for path in sorted(path for path in sources if path.suffix in (".py", ".ll")):
        own.update(str(path.relative_to(base)).encode() + b"\0" + path.read_bytes())
    return version("xdsl"), version("llvmlite"), own.hexdigest()
