"""Object files and assembly for any target."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lowering.backend.elf import symbols, undefined_symbols
from lowering.backend.machine import BackendError, parse_module, run_passes, target_machine
from lowering.backend.translate import Translated
from microkernels.target import Target


def emit_object(
    translated: Translated,
    target: Target,
    *,
    passes: Sequence[str] = (),
    imports: Collection[str] = (),
) -> bytes:
    """Generate a relocatable ELF object, the same bytes every time.

    `passes` are LLVM's own, from `IR_PASSES`; `imports` are symbols that whoever links will provide.
    Raises `BackendError` for IR that does not verify and for any other symbol that stays undefined.
    An operation that the target cannot do ends the process: give untrusted IR to
    `lowering.backend.isolate` instead.
    """
    module, machine = _prepare(translated.ir, target, passes)
    image = bytearray(machine.emit_object(module))
    require_defined(image, imports)
    _write_constants(image, translated.constants)
    return bytes(image)


def emit_assembly(
    translated: Translated,
    target: Target,
    *,
    passes: Sequence[str] = (),
    constants: bool = True,
) -> str:
    """Generate assembly text, three characters a byte of constants, or their size alone as `.zero`."""
    text = _with_constants(translated) if constants else translated.ir
    module, machine = _prepare(text, target, passes)
    return str(machine.emit_assembly(module))


def require_defined(image: bytes | bytearray, imports: Collection[str] = ()) -> None:
    """Raise `BackendError` naming the symbols that an object needs and `imports` does not hold."""
    missing = [name for name in undefined_symbols(bytes(image)) if name not in imports]
    if not missing:
        return
    intrinsic = next((name for name in missing if name.startswith("llvm.")), None)
    hint = f"; LLVM has no intrinsic {intrinsic} for this target" if intrinsic else ""
    raise BackendError(f"undefined in the object: {', '.join(missing)}{hint}")


def _prepare(text: str, target: Target, passes: Sequence[str]) -> tuple[Any, Any]:
    module, machine = parse_module(text), target_machine(target)
    if module.triple != target.triple:
        raise BackendError(f"the module is for {module.triple}, the target for {target.triple}")
    run_passes(module, machine, passes)
    return module, machine


def _with_constants(translated: Translated) -> str:
    def value(match: re.Match[str]) -> str:
        held = translated.constants.get(match["name"])
        if held is None:
            return match[0]
        return f'{match["head"]}[{len(held)} x i8] c"\\{held.hex(chr(92))}"'

    definition = r'^(?P<head>@"(?P<name>[^"]*)" = [a-z_ ]* constant )\[.*\] zeroinitializer'
    return re.sub(definition, value, translated.ir, flags=re.MULTILINE)


def _write_constants(image: bytearray, constants: Mapping[str, bytes]) -> None:
    if not constants:
        return
    places = {symbol.name: symbol for symbol in symbols(bytes(image))}
    for name, held in constants.items():
        place = places.get(name)
        if place is None:
            continue  # nothing reads it, and LLVM left it out
        if place.offset < 0 or place.size != len(held):
            raise BackendError(f"the object has no room for the {len(held)} bytes of {name}")
        image[place.offset : place.offset + len(held)] = held
