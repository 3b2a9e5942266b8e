"""The program that a board runs for a candidate, and the file of data that it reads: see `board.c`.

The program holds the candidate and the reference candidate; the data are the same for all candidates of a
subject: of each example the inputs and the results that they must give, as they are stored.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from autotune.candidate import Compiled, Pointer
from autotune.linking import link_static
from autotune.workbench import Workbench
from lowbit_dialect.layout import ShapedValue, storage_bytes
from lowbit_dialect.storage import to_storage
from lowering.backend.emit import emit_object
from microkernels.target import Target


@dataclass(frozen=True)
class Built:
    """A candidate as an object, and how its functions are called."""

    code: Compiled
    image: bytes

    @classmethod
    def of(cls, code: Compiled, target: Target) -> Built:
        """Generate the object; raises `BackendError` where LLVM does."""
        return cls(code, emit_object(code.translated, target))


class BoardData:
    """The data of a subject."""

    def __init__(self, bench: Workbench):
        self.kinds = [example.kind for example in bench.examples]
        self.inputs = list(bench.inputs)
        """The names of the inputs, in order."""
        self.results = list(bench.results)
        self._bench = bench

    @cached_property
    def image(self) -> bytes:
        """The file: of each example the inputs, then the results."""
        types = [*self._bench.inputs.values(), *self.results]
        values = (
            (*(example.inputs[name] for name in self.inputs), *example.results)
            for example in self._bench.examples
        )
        return b"".join(
            to_storage(array, type).tobytes() for one in values for array, type in zip(one, types)
        )

    def plan(self, candidate: Compiled, reference: Compiled) -> str:
        """What `board.c` includes."""
        types = list(self._bench.inputs.values())
        return "\n".join(
            [
                f"enum {{ EXAMPLES = {len(self.kinds)}, INPUTS = {len(types)} }};",
                f"enum {{ RESULTS = {len(self.results)} }};",
                f"static const size_t DATA_BYTES = {len(self.image)};",
                _sizes("INPUT_SIZES", types),
                _sizes("RESULT_SIZES", self.results),
                f"static const char *const KINDS[] = {{{', '.join(map(_quoted, self.kinds))}}};",
                *self._kernel("CANDIDATE", candidate),
                *self._kernel("REFERENCE", reference),
                "",
            ]
        )

    def _kernel(self, name: str, code: Compiled) -> Iterable[str]:
        for part, pointers in (("PACK", code.packers), ("MAIN", code.pointers)):
            symbol = f"{code.symbol}_pack" if part == "PACK" else code.symbol
            yield from self._function(f"{name}_{part}", symbol, pointers)
        yield (
            f"static const struct kernel {name} = {{{{{len(code.packers)}, {name}_PACK, {name}_PACK_call}}, "
            f"{{{len(code.pointers)}, {name}_MAIN, {name}_MAIN_call}}}};"
        )

    def _function(self, name: str, symbol: str, pointers: Sequence[Pointer]) -> Iterable[str]:
        """Its pointers, and a function that calls it with an array of them; empty where there is none."""
        outs = iter(range(len(pointers)))
        rows = [
            f"{{'{one.role[0]}', {self._index(one, outs)}, {one.size}, {one.alignment}}}"
            for one in pointers
        ]
        given = ", ".join(f"p[{number}]" for number in range(len(pointers)))
        yield f"static const struct pointer {name}[] = {{{', '.join(rows) or '{0}'}}};"
        if pointers:
            yield f"void {symbol}({', '.join(['void *'] * len(pointers))});"
        call = f"{symbol}({given});" if pointers else ""
        yield f"static void {name}_call(void **p) {{ (void)p; {call} }}"

    def _index(self, one: Pointer, outs: Iterable[int]) -> int:
        match one.role:
            case "in":
                return self.inputs.index(one.name)
            case "packed":
                return one.index
            case "out":
                return next(iter(outs))
            case _:
                return 0


def board_program(
    linker: Sequence[str], data: BoardData, candidate: Built, reference: Built
) -> bytes:
    """Link the program for a candidate; raises `LinkingError`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "board.c"
        source.write_text(files("autotune").joinpath("board.c").read_text("utf-8"))
        (folder / "plan.h").write_text(data.plan(candidate.code, reference.code))
        objects = folder / "candidate.o", folder / "reference.o"
        for path, built in zip(objects, (candidate, reference)):
            path.write_bytes(built.image)
        link_static(linker, (source, *objects), folder / "program")
        return (folder / "program").read_bytes()


def _sizes(name: str, types: Sequence[ShapedValue]) -> str:
    return f"static const size_t {name}[] = {{{', '.join(str(storage_bytes(t)) for t in types)}}};"


def _quoted(text: str) -> str:
    return f'"{text}"'
