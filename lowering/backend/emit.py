"""Object files and assembly for any target."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from lowering.backend.elf import symbols, undefined_symbols
from lowering.backend.machine import BackendError, generate_assembly, generate_object
from lowering.backend.translate import Translated
from microkernels.target import Target


def emit_object(
    translated: Translated,
    target: Target,
    *,
    imports: Collection[str] = (),
) -> bytes:
    """Generate a relocatable ELF object, the same bytes every time.

    `imports` are symbols that whoever links will provide. Raises `BackendError` for IR that does not
    verify and for any other symbol that stays undefined.
    An operation that the target cannot do ends the process: give untrusted IR to
    `lowering.backend.isolate` instead.
    """
    image = generate_object(translated.ir, target)
    return finish_object(image, translated.constants, imports)


def finish_object(
    image: bytes, constants: Mapping[str, bytes], imports: Collection[str] = ()
) -> bytes:
    """Write the constants into a generated object, after checking that it lacks no symbol."""
    require_defined(image, imports)
    finished = bytearray(image)
    _write_constants(finished, constants)
    return bytes(finished)


def emit_assembly(
    translated: Translated,
    target: Target,
    *,
    constants: bool = True,
) -> str:
    """Generate assembly text, three characters a byte of constants, or their size alone as `.zero`."""
    text = _with_constants(translated) if constants else translated.ir
    return generate_assembly(text, target)


def with_comment(translated: Translated, text: str) -> Translated:
    """The same code, of which an object says `text` in its section `.comment`."""
    quoted = re.sub(r"[^ !#-\[\]-~]", "?", text)
    named = f'\n!llvm.ident = !{{!0}}\n!0 = !{{!"{quoted}"}}\n'
    return replace(translated, ir=translated.ir + named)


def require_defined(image: bytes, imports: Collection[str] = ()) -> None:
    """Raise `BackendError` naming the symbols that an object needs and `imports` does not hold."""
    missing = [name for name in undefined_symbols(image) if name not in imports]
    if not missing:
        return
    intrinsic = next((name for name in missing if name.startswith("llvm.")), None)
    hint = f"; LLVM has no intrinsic {intrinsic} for this target" if intrinsic else ""
    raise BackendError(f"undefined in the object: {', '.join(missing)}{hint}")


def _with_constants(translated: Translated) -> str:
    def value(match: re.Match[str]) -> str:
        held = translated.constants.get(match["name"])
        if held is None:
            return match[0]
        return f'{match["head"]}[{len(held)} x i8] c"\\{held.hex(chr(92))}"'

    definition = r'^(?P<head>@"(?P<name>[^"]*)" = [a-z_ ]*constant )\[.*\] zeroinitializer'
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
