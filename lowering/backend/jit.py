"""Code in this process: compiled or given as an object, linked by ORC, called by address."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from llvmlite import binding

from lowering.backend.elf import MACHINES, machine_of, symbols
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

    def function(self, symbol: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        """Return a function as a `ctypes` callable that keeps the code alive."""
        function = ctypes.CFUNCTYPE(result, *arguments)(self.address(symbol))
        cast(Any, function).jit = self
        return function


def _check_image(image: bytes, target: Target, imports: Mapping[str, int]) -> None:
    try:
        machine = machine_of(image)
        check_object(image)
        require_defined(image, imports)
    except ValueError as error:
        raise BackendError(f"cannot load the object: {error}") from None
    if machine != MACHINES[target.arch]:
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
