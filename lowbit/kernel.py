"""Compiled programs as Python callables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from ctypes import addressof, c_void_p
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from lowbit.argument_checks import instance
from lowbit.arrays import Intake
from lowbit.calling import Arguments, Bound, Packed, in_place, match_inputs, result_place
from lowbit.code_generation import Code, Generated, Request, generate, stage_of
from lowbit.lowered import program_of
from lowbit.pipeline import check_stage, reads_records
from lowbit.program import Program, parse_module
from lowbit.saved import Saved, from_bytes, to_bytes, write_at_once
from lowbit.shown import html_table
from lowbit.signature import Function, Signature
from lowbit_dialect.layout import Array, layout_of, storage_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from lowbit_dialect.storage import from_storage, to_storage
from lowering.aligned import BYTES, address_of, aligned_empty, aligned_storage
from microkernels.target import Target

if TYPE_CHECKING:
    from lowering.backend.jit import Jit
    from lowering.backend.pool import Team


def restore(data: bytes) -> Kernel:
    """The kernel of the bytes that pickle or a copy took from another, to be trusted as these are."""
    return Kernel.restored(from_bytes(data))


class Kernel:
    """A compiled program. Calls may run at the same time on several threads.

    While one call uses the threads of the process, others run on the one that makes them. A kernel never
    changes, so a copy of one is itself; pickle takes it as `save` writes it.
    """

    def __init__(
        self, program: Program | str, request: Request, code: Code, image: bytes | None = None
    ):
        """Take a program, or its text, which nobody changes, and its code as LLVM IR or as an object."""
        self._program, self._request, self.code = program, request, code
        self._image = image
        self._team: Team | None = None
        self.threads_reason = ""
        """Why fewer threads take part than were asked for; nothing if as many do."""
        self._scratch = threading.local()
        self._arguments = Arguments(code.signature)
        self._results = [storage_of(type) for type in code.signature.main.results]
        self._decodes = any(map(layout_of, code.signature.main.results))
        self._why_not = _missing(code.target)
        if not self._why_not:
            self._load()

    def _load(self) -> None:
        from lowering.backend.jit import Jit
        from lowering.backend.machine import BackendError
        from lowering.backend.pool import make_team, team_size

        code, image = self.code, self._image
        try:
            jit = Jit(code.translated if isinstance(code, Generated) else image or b"", code.target)
            self._image = jit.image
            self._main = _callable(jit, code.signature.main)
            self._pack = _callable(jit, code.signature.pack) if code.signature.pack else None
            if self._request.threads > 1:
                _, self.threads_reason = team_size(code.tasks, self._request.threads)
                self._team = make_team(jit, code.tasks, self._request.threads)
        except BackendError as error:
            raise ValueError(str(error)) from error

    @property
    def program(self) -> Program:
        """What was compiled, as it was then."""
        if isinstance(self._program, str):
            self._program = program_of(parse_module(self._program))
        return self._program

    @property
    def signature(self) -> Signature:
        """What the kernel takes and returns."""
        return self.code.signature

    @property
    def target(self) -> Target:
        """What the code was generated for."""
        return self.code.target

    @property
    def image(self) -> bytes:
        """The object that calls run; raises ValueError if this machine cannot run it."""
        self._require_host()
        return self._image or b""

    @property
    def threads(self) -> int:
        """How many threads a call uses: as many as were asked for, at most one a usable core."""
        return self._team.threads if self._team else 1

    @property
    def schedules(self) -> tuple[tuple[str, Schedule], ...]:
        """Each op that has a schedule, and the schedule."""
        return self.code.schedules

    def __repr__(self) -> str:
        return (
            f"<Kernel {self.signature} for {self.target.name}, threads: {self._threads_in_words()}>"
        )

    def _repr_html_(self) -> str:
        facts = [
            ("target", str(self.target)),
            ("threads", self._threads_in_words()),
            *self.signature.in_words(),
            *((f"schedule of {name}", str(schedule)) for name, schedule in self.schedules),
        ]
        return html_table(("kernel", self.signature.main.symbol), facts)

    def _threads_in_words(self) -> str:
        asked = f"{self._request.threads} were asked for, but {self.threads_reason}"
        return f"{self.threads} ({asked})" if self.threads_reason else str(self.threads)

    def ir(self, stage: str) -> str:
        """The program after a stage, as text that `lowbit-opt` reads; ValueError names the stages."""
        until, asked = check_stage(stage), self._request
        watch = None if until == "graph" else self._pin
        module = stage_of(
            self.program, asked.target, self._source, until, threads=asked.threads, watch=watch
        )
        return str(module)

    @property
    def _source(self) -> str:
        """Where schedules come from when the program is lowered again: not from records, which change."""
        asked = self._request.schedule
        return "default" if reads_records(asked) else asked

    def _pin(self, stage: str, module: ModuleOp) -> None:
        """Give ops the schedules that they have in this kernel, once they are what they run as."""
        if stage == "graph" and reads_records(self._request.schedule):
            ops = (op for op in module.walk() if isinstance(op, LinearOp))
            for op, (_, schedule) in zip(ops, self.schedules):
                op.properties["schedule"] = ScheduleAttr(schedule)

    def assembly(self) -> str:
        """The generated code as assembly text; a loaded kernel's program is compiled again for it."""
        from lowering.backend.emit import emit_assembly

        return emit_assembly(self._generated.translated, self.target)

    @cached_property
    def _generated(self) -> Generated:
        if isinstance(self.code, Generated):
            return self.code
        asked = self._request
        return generate(
            self.program, asked.target, self._source, threads=asked.threads, watch=self._pin
        )

    def save(self, path: str | Path) -> None:
        """Write the kernel to a file for `lowbit.load`, all of it or nothing; OSError names the file.

        It runs wherever there is what `target` needs.
        """
        write_at_once(Path(instance("path", path, str, Path)), to_bytes(self.saved()))

    def saved(self, *, with_program: bool = True) -> Saved:
        """What a file holds of the kernel."""
        if self._image is None:
            from lowering.backend.emit import emit_object

            self._image = emit_object(self._generated.translated, self.target)
        text = str(self._program) if with_program else ""
        return Saved(self._request, self.code, self._image, text)

    @classmethod
    def restored(cls, saved: Saved, program: Program | None = None) -> Kernel:
        """The kernel of what a file holds, and of its program if the file holds none; raises ValueError."""
        return cls(program or saved.program, saved.request, saved.code, saved.image)

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (to_bytes(self.saved()),)

    def __copy__(self) -> Kernel:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Kernel:
        return self

    def pack(self, /, *arrays: Any, **named: Any) -> Packed:
        """Pack the constant inputs, given in order or by name, once for many calls."""
        self._require_host()
        constants = self._arguments.constants
        given = match_inputs(constants, arrays, named)
        return self._packed({name: one.checked(given[name]) for name, one in constants.items()})

    def _packed(self, values: Mapping[str, Array]) -> Packed:
        function, form = self.signature.pack, self._arguments.form
        read = {p.name for p in self.signature.main.parameters if p.packed is None}
        types = {one.name: one.type for one in self.signature.constants}
        plain = {n: to_storage(v, types[n]) for n, v in values.items() if n in read}
        if function is None or self._pack is None:
            return Packed((), plain, form)
        inputs = [to_storage(values[p.name], p.type) for p in function.parameters]
        results = tuple(aligned_storage(type) for type in function.results)
        scratch = [aligned_empty((function.arena,), BYTES)] if function.arena else []
        self._pack(*map(address_of, (*inputs, *results, *scratch)))
        return Packed(results, plain, form)

    def __call__(self, /, *arrays: Any, **named: Any) -> Any:
        """Run on decoded values; returns an array, or a tuple of them if the program has several results.

        Constant inputs are given as arrays, which are then packed for this call alone, or all together as
        one `Packed`. Raises ValueError naming an argument that does not fit.
        """
        self._require_host()
        stored = self._arguments.arrays(arrays, named, Intake.stored, self._packed)
        results = [aligned_empty(*storage) for storage in self._results]
        places = [*map(address_of, stored), *map(address_of, results), *self._arena()]
        if self._team is None:
            self._main(*places)
        else:
            self._team.run(*self._team.arguments, self._team.pointers(places))
        if self._decodes:
            types = self.signature.main.results
            results = [from_storage(words, type) for words, type in zip(results, types)]
        return results[0] if len(results) == 1 else tuple(results)

    def bind(self, /, *arrays: Any, out: Any = None, **named: Any) -> Bound:
        """Return the call on these arrays as a function of nothing: no checks, no allocation.

        Arrays, and whatever gives access by DLPack, are used where they lie: C-contiguous, in the dtype of
        their element, `out` as well; what would have to be copied is refused, and values are not checked.
        Constant inputs are packed once, here. What the program stores in a layout is given as stored, or
        decoded and then converted once, here; what could be either is decoded. `out` lies apart from the
        inputs. The call has scratch memory of its own, so threads that call at the same time bind one each.
        """
        self._require_host()
        stored = self._arguments.arrays(arrays, named, in_place, self._packed)
        outs = self._outs(out)
        for place, one in enumerate(outs):
            if any(np.may_share_memory(one, other) for other in (*stored, *outs[:place])):
                raise ValueError(
                    "out overlaps an input or another result: give it memory of its own"
                )
        size = self.signature.main.arena
        scratch = [aligned_empty((size,), BYTES)] if size else []
        bound = self._bound((*stored, *outs, *scratch))
        bound.results = tuple(outs)
        return bound

    def _bound(self, arrays: tuple[Array, ...]) -> Bound:
        """The call on the arrays of every pointer that the generated function takes."""
        places = [*map(address_of, arrays)]
        if self._team is None:
            bound = Bound(self._main, *places)
        else:
            pointers = self._team.pointers(places)
            bound = Bound(self._team.run, *self._team.arguments, addressof(pointers))
            bound.pointers = pointers
        bound.arrays, bound.team = arrays, self._team
        return bound

    def _outs(self, out: Any) -> list[Array]:
        if out is None:
            return [aligned_empty(*storage) for storage in self._results]
        types = self.signature.main.results
        several = isinstance(out, list | tuple)
        given = cast(Sequence[Any], out) if several else [out]
        if len(given) != len(types):
            raise ValueError(f"the program has {len(types)} results, but out holds {len(given)}")
        return [result_place(one, type) for one, type in zip(given, types)]

    def _arena(self) -> tuple[int, ...]:
        """Where scratch memory of the calling thread lies."""
        size = self.signature.main.arena
        if not size:
            return ()
        if not hasattr(self._scratch, "arena"):
            arena = aligned_empty((size,), BYTES)
            self._scratch.arena, self._scratch.place = arena, (address_of(arena),)
        return self._scratch.place

    def _require_host(self) -> None:
        if self._why_not:
            raise ValueError(f"cannot run the kernel: {self._why_not}")


def _missing(target: Target) -> str:
    from lowering.backend.host import missing_on_host

    return missing_on_host(target)


def _callable(jit: Jit, function: Function) -> Callable[..., None]:
    return jit.function(function.symbol, None, *[c_void_p] * function.pointers)
