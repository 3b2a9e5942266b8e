"""A program on the workbench: its data, what these must give, and each candidate that is compared with that.

What is the same for all candidates is computed once: data, reference results, and packed weights for each
way that candidates pack them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func, FuncOp
from xdsl.parser import Parser

from autotune.candidate import Candidate, Function, Pointer, linears_of, run_stage
from lowbit_dialect import reference
from lowbit_dialect.dialect import Lowbit
from lowbit_dialect.differences import first_difference, is_exact
from lowbit_dialect.example_arrays import example
from lowbit_dialect.layout import Array, ShapedValue, storage_of
from lowbit_dialect.names import argument_names
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ranges import admit, argument_bounds
from lowbit_dialect.storage import from_storage, to_storage
from lowering.backend.guarded import PAGE, SIDES, Guarded, Side
from microkernels.target import Target

KINDS = ("random", "ones", "alternating", "saturating", "smallest")
"""The data that each candidate is compared on; sums are extreme on the last two."""
RUNS = "ran on"
"""How the lines begin that are said before generated code is called."""
_KEPT = 256 << 20
"""Bytes of packed weights."""
_TAKEN = 64 << 20
"""Bytes that a call may leave behind: generated code allocates none, and others would lack them."""


class Wrong(Exception):
    """A result is not that of the reference; the message names the first element that differs."""


class OutOfBounds(Exception):
    """Bytes beside an argument were written."""


@dataclass(frozen=True)
class Example:
    """Arguments by name and the results that they must give, all decoded."""

    kind: str
    inputs: Mapping[str, Array]
    results: tuple[Array, ...]


class Workbench:
    """A layer or a whole program, with data."""

    def __init__(self, program: str, target: Target, seed: int = 0):
        """Read the text of a program; raises what parser, verifier and passes do."""
        self.target = target
        self.graph = _parsed(program)
        """The program after stage `graph`, of which candidates are made."""
        main = _main(self.graph)
        self.inputs = dict(zip(argument_names(main), map(shaped, main.body.block.args)))
        """The types of the inputs, by name."""
        last = main.body.block.last_op
        assert last is not None
        self.results = list(map(shaped, last.operands))
        """The types of the results."""
        self.exact = is_exact(self.graph)
        """Whether results are the same bits whatever the schedule."""
        # The layers of a program have been compared alone.
        kinds = KINDS if len(linears_of(self.graph)) == 1 else KINDS[:1]
        self.examples = [_example(self.graph, kind, seed) for kind in kinds]
        self._stored: dict[object, bytes] = {}
        self._packed: dict[str, list[list[bytes]]] = {}
        run_stage("graph", self.graph, target)

    def knows(self, packing: str) -> bool:
        """Whether it is known what this way to pack weights gives."""
        return packing in self._packed

    def check(self, candidate: Candidate) -> None:
        """Compare all results of a candidate with the reference, every buffer between guard pages.

        Each kind of data lies against one guard and the first against both, as no address depends on data.
        Raises `Wrong`, `OutOfBounds` or `MemoryError`; what touches a guard page ends the process. Says on
        the standard error stream what it does, so that this is then the process's last word.
        """
        packed = self._packed.get(candidate.packing) or self._pack(candidate)
        for at, side in enumerate(SIDES):
            with _between_guards(candidate.main, side) as buffers:
                for number, (example, weights) in enumerate(zip(self.examples, packed)):
                    if number and number % len(SIDES) != at:
                        continue
                    told = f"{example.kind} data, {side}-flush"
                    given = self._given(candidate.main, example, weights)
                    outs = _call(candidate.main, buffers, given, told, candidate.bound)
                    self._compare(outs, candidate.main, example, told)
        self._keep(candidate.packing, packed)

    def memory(self, candidate: Candidate) -> list[bytes | int]:
        """For each pointer of a checked candidate what lies behind it, or how many bytes it only writes."""
        given = self._given(candidate.main, self.examples[0], self._packed[candidate.packing][0])
        sizes = (pointer.size for pointer in candidate.main.pointers)
        return [size if content is None else content for size, content in zip(sizes, given)]

    def _pack(self, candidate: Candidate) -> list[list[bytes]]:
        """What packing gives of each example."""
        function = candidate.pack
        if function is None:
            return [[] for _ in self.examples]
        packed: list[list[bytes]] = []
        with _between_guards(function, "right") as buffers:
            for example in self.examples:
                given = self._given(function, example, ())
                packed.append(_call(function, buffers, given, f"{example.kind} data to pack"))
        return packed

    def _keep(self, packing: str, packed: list[list[bytes]]) -> None:
        self._packed[packing] = packed
        while len(self._packed) > 1 and _size(self._packed) > _KEPT:
            del self._packed[next(iter(self._packed))]

    def _given(
        self, function: Function, example: Example, packed: Sequence[bytes]
    ) -> list[bytes | None]:
        """What each pointer is given; None where a function only writes."""

        def content(pointer: Pointer) -> bytes | None:
            if pointer.role == "packed":
                return packed[pointer.index]
            if pointer.role == "in":
                return self._in_storage(example.inputs[pointer.name], pointer.type)
            return None

        return [content(pointer) for pointer in function.pointers]

    def _in_storage(self, values: Array, type: ShapedValue) -> bytes:
        key = id(values), type  # the arrays live as long as this does
        if key not in self._stored:
            self._stored[key] = to_storage(values, type).tobytes()
        return self._stored[key]

    def _compare(
        self, outs: Sequence[bytes], function: Function, example: Example, told: str
    ) -> None:
        types = [pointer.type for pointer in function.pointers if pointer.role == "out"]
        for number, (out, type, want) in enumerate(zip(outs, types, example.results)):
            if out == self._in_storage(want, type):
                continue
            shape, dtype = storage_of(type)
            got = from_storage(np.frombuffer(out, dtype).reshape(shape), type)
            difference = first_difference(got, want, self.exact)
            if difference is None and self.exact:
                difference = "it sets bits that store no element"
            if difference is not None:
                raise Wrong(f"result {number} on {told}: {difference}")


def _parsed(program: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Func, Lowbit):
        context.load_dialect(dialect)
    module = Parser(context, program).parse_module()
    for op in module.walk():
        admit(op)
    module.verify()
    if not linears_of(module):
        raise ValueError("the program has no op that takes a schedule")
    return module


def _main(module: ModuleOp) -> FuncOp:
    return next(op for op in module.ops if isinstance(op, FuncOp))


def _example(module: ModuleOp, kind: str, seed: int) -> Example:
    main = _main(module)
    types = [shaped(argument) for argument in main.body.block.args]
    arrays = example(kind, types, np.random.default_rng(seed), argument_bounds(main))
    results = reference.run(module, *arrays, function=main.sym_name.data)
    return Example(kind, dict(zip(argument_names(main), arrays)), tuple(results))


@contextmanager
def _between_guards(function: Function, side: Side) -> Generator[list[Guarded]]:
    buffers: list[Guarded] = []
    try:
        for pointer in function.pointers:
            buffers.append(Guarded(pointer.size, pointer.alignment, side))
        yield buffers
    finally:
        for buffer in buffers:
            buffer.free()


def _call(
    function: Function,
    buffers: Sequence[Guarded],
    given: Sequence[bytes | None],
    told: str,
    bound: Callable[[Sequence[int]], Callable[[], object]] | None = None,
) -> list[bytes]:
    """Call a function on buffers, as it is or as `bound` does, and return what it wrote to its outs."""
    for buffer, content in zip(buffers, given):
        if content is None:
            buffer.refill()
        else:
            buffer.write(content)
    print(RUNS, told, file=sys.stderr, flush=True)
    addresses = [buffer.address for buffer in buffers]
    before = address_space()
    if bound is None:
        function.call(*addresses)
    else:
        bound(addresses)()
    if (taken := address_space() - before) > _TAKEN:
        raise MemoryError(f"the code took {taken >> 20} MB for itself on {told}")
    for number, (pointer, buffer) in enumerate(zip(function.pointers, buffers)):
        if not buffer.untouched_around():
            raise OutOfBounds(f"bytes beside argument {number} ({pointer.role}) on {told}")
    return [
        buffer.read()
        for pointer, buffer in zip(function.pointers, buffers)
        if pointer.role == "out"
    ]


def address_space() -> int:
    """Bytes of address space that this process has, which is what its limit is on."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * PAGE


def _size(packed: Mapping[str, list[list[bytes]]]) -> int:
    return sum(len(one) for examples in packed.values() for given in examples for one in given)
