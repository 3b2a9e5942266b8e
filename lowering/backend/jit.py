"""Code in this process: compiled or given as an object, linked by ORC, called by address."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from llvmlite import binding

from lowering.backend.elf import machine_of, symbols
from lowering.backend.elf_check import check_object
from lowering.backend.emit import emit_object, require_defined
from lowering.backend.host import missing_on_host
from lowering.backend.machine import BackendError, target_machine
from lowering.backend.translate import Translated
from microkernels.target import Target

_llvm = cast(Any, binding)


class Jit:
    """The functions of one object, in memory for as long as this value lives.

    There is no way to free them earlier. An address does not keep them alive, a `function` does.
    """

    image: bytes
    """The object that was linked; given to another `Jit` it is loaded without compiling."""
    target: Target
    """What the code was generated for."""

    def __init__(
        self,
        code: Translated | bytes,
        target: Target,
        *,
        imports: Mapping[str, int] | None = None,
    ) -> None:
        """Compile, or load an object's bytes, which must come from `emit_object`: their structure is checked.

        `imports` gives addresses of symbols defined elsewhere, which the caller keeps alive. Raises
        `BackendError` if this machine cannot run the target or a symbol stays undefined.
        """
        reason = missing_on_host(target)
        if reason:
            raise BackendError(f"cannot run the code: {reason}")
        imports = imports or {}
        if isinstance(code, Translated):
            code = emit_object(code, target, imports=imports)
        else:
            _check_image(code, target, imports)
        self.image, self.target = code, target
        self._names = [s.name for s in symbols(code) if s.linkable]
        # The tracker holds the code, and what it needs of ORC.
        self._tracker = _link(code, target, self._names, imports)

    def address(self, symbol: str) -> int:
        """Return the address of a function or constant; raise `BackendError` if there is none such."""
        if symbol not in self._names:
            raise BackendError(f"no symbol {symbol}; there are {', '.join(sorted(self._names))}")
        return int(self._tracker[symbol])

    def functions(self) -> list[tuple[str, int, int]]:
        """Name, address and size of each function, those that nothing else may link to as well."""
        found = [symbol for symbol in symbols(self.image) if symbol.function]
        known = next(symbol for symbol in found if symbol.linkable)
        start = self.address(known.name) - known.offset  # all code is one section
        return [(symbol.name, start + symbol.offset, symbol.size) for symbol in found]

    def write_perf_map(self) -> Path:
        """Tell `perf` the names of the functions: add them to `/tmp/perf-PID.map`, and return which."""
        path = Path(f"/tmp/perf-{os.getpid()}.map")
        with open(path, "a", opener=_opened) as file:
            for name, address, size in self.functions():
                file.write(f"{address:x} {size:x} {name}\n")
        return path

    def function(self, symbol: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        """Return a function as a `ctypes` callable that keeps the code alive."""
        function = ctypes.CFUNCTYPE(result, *arguments)(self.address(symbol))
        cast(Any, function).jit = self
        return function


def _opened(path: str, flags: int) -> int:
    # Where anybody writes, a link of somebody else's may lie in wait.
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _check_image(image: bytes, target: Target, imports: Mapping[str, int]) -> None:
    try:
        machine = machine_of(image)
        check_object(image)
        require_defined(image, imports)
    except ValueError as error:
        raise BackendError(f"cannot load the object: {error}") from None
    if machine != target.architecture.elf_machine:
        raise BackendError(f"cannot load the object: it is not for {target.arch}")


def _link(image: bytes, target: Target, names: Sequence[str], imports: Mapping[str, int]) -> Any:
    # JITLink lays an object out in one piece, so that its parts reach each other.
    orc = _llvm.create_lljit_compiler(target_machine(target), use_jit_link=True)
    builder = _llvm.JITLibraryBuilder().add_object_img(image)
    for name in names:
        builder.export_symbol(name)
    for name, address in imports.items():
        builder.import_symbol(name, address)
    try:
        return builder.link(orc, "code")
    except RuntimeError as error:
        raise BackendError(f"cannot link the code: {error}") from None
