"""Compiled programs as Python callables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from ctypes import addressof, c_void_p
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lowbit.arrays import aligned_empty, aligned_storage, checked
from lowbit.calling import Bound, Packed, addresses, fits, in_place, match_inputs, wanted
from lowbit.code import Code, generate
from lowbit.pipeline import check_stage, lower
from lowbit.program import Program
from lowbit.signature import Function, Parameter, Signature
from lowbit_dialect.layout import Array, ShapedValue
from lowbit_dialect.schedule import Schedule
from lowbit_dialect.storage import from_storage, to_storage
from microkernels.target import Target

if TYPE_CHECKING:
    from lowering.backend.jit import Jit
    from lowering.backend.pool import Team


BYTES = np.dtype(np.uint8)


def compile(
    program: Program,
    target: str | Target = "host",
    schedule: str | Schedule = "default",
    threads: int = 1,
    verify_each: bool = False,
) -> Kernel:
    """Compile a program for a target.

    `schedule` is `default`, or a `Schedule` for every op that does not pin its own. A call shares its work
    out to `threads` at most, as many as there are usable cores; the results are the same bits for any
    number. Raises ValueError naming the op or option that is wrong.
    """
    check_threads(threads)
    code = generate(program, target, schedule, threads=threads, verify_each=verify_each)
    return Kernel(program, code, str(target), schedule, threads)


def check_threads(threads: int) -> int:
    """Return `threads`; raises ValueError unless it is a number of threads."""
    if type(threads) is not int or threads < 1:
        raise ValueError(f"threads is a whole number of at least 1, not {threads!r}")
    return threads


class Kernel:
    """A compiled program. Calls may run at the same time on several threads.

    While one call uses the threads of the process, others run on the one that makes them.
    """

    def __init__(
        self,
        program: Program,
        code: Code,
        target: str,
        schedule: str | Schedule,
        threads: int = 1,
    ):
        self.program = program
        self.code = code
        self._target, self._schedule, self._asked = target, schedule, threads
        self._team: Team | None = None
        self._scratch = threading.local()
        self._jit: Jit | None = None
        self._why_not = _missing(code.target)
        if not self._why_not:
            self._load()

    def _load(self) -> None:
        from lowering.backend.jit import Jit
        from lowering.backend.machine import BackendError
        from lowering.backend.pool import make_team

        try:
            self._jit = Jit(self.code.translated, self.code.target)
        except BackendError as error:
            raise ValueError(str(error)) from error
        self._main = _callable(self._jit, self.signature.main)
        self._pack = _callable(self._jit, self.signature.pack) if self.signature.pack else None
        if self._asked > 1:
            self._team = make_team(self._jit, self.code.tasks, self._asked)

    @property
    def signature(self) -> Signature:
        """What the kernel takes and returns."""
        return self.code.signature

    @property
    def target(self) -> Target:
        """What the code was generated for."""
        return self.code.target

    @property
    def threads(self) -> int:
        """How many threads a call uses: as many as were asked for, at most one a usable core."""
        return self._team.threads if self._team else 1

    @property
    def schedules(self) -> tuple[tuple[str, Schedule], ...]:
        """Each op that has a schedule, and the schedule."""
        return self.code.schedules

    def ir(self, stage: str) -> str:
        """The program after a stage, as text that `lowbit-opt` reads; ValueError names the stages."""
        until = check_stage(stage)
        module = self.program.module
        return str(lower(module, self._target, self._schedule, until, threads=self._asked))

    def assembly(self) -> str:
        """The generated code as assembly text."""
        from lowering.backend.emit import emit_assembly

        return emit_assembly(self.code.translated, self.code.target)

    def pack(self, /, *arrays: Any, **named: Any) -> Packed:
        """Pack the constant inputs, given in order or by name, once for many calls."""
        self._require_host()
        constants = self.signature.constants
        names = [one.name for one in constants]
        given = match_inputs(names, arrays, named)
        types = {one.name: one.type for one in constants}
        return self._packed({n: checked(n, given[n], types[n]) for n in names})

    def _packed(self, values: Mapping[str, Array]) -> Packed:
        function = self.signature.pack
        read = {p.name for p in self.signature.main.parameters if p.packed is None}
        types = {one.name: one.type for one in self.signature.constants}
        plain = {n: to_storage(v, types[n]) for n, v in values.items() if n in read}
        if function is None or self._pack is None:
            return Packed((), plain, self._form)
        inputs = [to_storage(values[p.name], p.type) for p in function.parameters]
        results = tuple(aligned_storage(type) for type in function.results)
        scratch = [aligned_empty((function.arena,), BYTES)] if function.arena else []
        self._pack(*addresses([*inputs, *results, *scratch]))
        return Packed(results, plain, self._form)

    @cached_property
    def _form(self) -> tuple[str, ...]:
        parameters = (str((p.name, p.type)) for p in self.signature.main.parameters)
        return *parameters, self.signature.packing

    def __call__(self, /, *arrays: Any, **named: Any) -> Any:
        """Run on decoded values; returns an array, or a tuple of them if the program has several results.

        Constant inputs are given as arrays, or all together as one `Packed`. Raises ValueError naming an
        argument that does not fit.
        """
        self._require_host()
        stored = self._stored(arrays, named, self._convert)
        function = self.signature.main
        results = [aligned_storage(type) for type in function.results]
        self._bound((*stored, *results, *self._arena(function)))()
        decoded = [from_storage(words, type) for words, type in zip(results, function.results)]
        return decoded[0] if len(decoded) == 1 else tuple(decoded)

    def bind(
        self, /, *arrays: Any, out: Array | Sequence[Array] | None = None, **named: Any
    ) -> Bound:
        """Return the call on these arrays as a function of nothing: no checks, no allocation.

        Arrays are used where they lie: C-contiguous, in the dtype of their element, `out` as well. What
        the program stores in a layout is given as stored, or decoded and then converted once, here; what
        could be either is decoded. `out` lies apart from the inputs. The call has scratch memory of its own,
        so threads that call at the same time bind one each.
        """
        self._require_host()
        function = self.signature.main
        stored = self._stored(arrays, named, in_place)
        outs = self._outs(out)
        for place, one in enumerate(outs):
            if any(np.may_share_memory(one, other) for other in (*stored, *outs[:place])):
                raise ValueError(
                    "out overlaps an input or another result: give it memory of its own"
                )
        scratch = [aligned_empty((function.arena,), BYTES)] if function.arena else []
        bound = self._bound((*stored, *outs, *scratch))
        bound.results = tuple(outs)
        return bound

    def _bound(self, arrays: tuple[Array, ...]) -> Bound:
        """The call on the arrays of every pointer that the generated function takes."""
        if self._team is None:
            bound = Bound(self._main, *addresses(arrays))
        else:
            pointers = self._team.pointers(addresses(arrays))
            bound = Bound(self._team.run, *self._team.arguments, addressof(pointers))
            bound.pointers = pointers
        bound.arrays, bound.team = arrays, self._team
        return bound

    def _outs(self, out: Array | Sequence[Array] | None) -> list[Array]:
        types = self.signature.main.results
        if out is None:
            return [aligned_storage(type) for type in types]
        given = [out] if isinstance(out, np.ndarray) else list(out)
        if len(given) != len(types):
            raise ValueError(f"the program has {len(types)} results, but out holds {len(given)}")
        for one, type in zip(given, types):
            if not fits(one, type) or not one.flags.writeable:
                raise ValueError(f"out is not {wanted(type)}")
        return given

    def _stored(
        self,
        arrays: Sequence[Any],
        named: Mapping[str, Any],
        store: Callable[[str, Any, ShapedValue], Array],
    ) -> list[Array]:
        """The array of each parameter of the generated function."""
        inputs = self.signature.inputs
        held = [one for one in (*arrays, *named.values()) if isinstance(one, Packed)]
        if len(held) > 1:
            raise ValueError("the constant inputs come as one Packed, not several")
        if held:
            arrays = [one for one in arrays if not isinstance(one, Packed)]
            named = {n: one for n, one in named.items() if not isinstance(one, Packed)}
            if held[0].form != self._form:
                raise ValueError("the Packed inputs come from another kernel: use this one's pack")
        wanted = [one for one in inputs if not (held and one.constant)]
        given = match_inputs([one.name for one in wanted], arrays, named)
        if not held:
            constants = {
                o.name: checked(o.name, given[o.name], o.type) for o in inputs if o.constant
            }
            held = [self._packed(constants)]
        types = {one.name: one.type for one in inputs}

        def array(parameter: Parameter) -> Array:
            if parameter.packed is not None:
                return held[0].arrays[parameter.packed]
            name = parameter.name
            if name in held[0].plain:
                return held[0].plain[name]
            return store(name, given[name], types[name])

        return [array(parameter) for parameter in self.signature.main.parameters]

    @staticmethod
    def _convert(name: str, values: Any, type: ShapedValue) -> Array:
        return np.require(to_storage(checked(name, values, type), type), requirements=["C", "A"])

    def _arena(self, function: Function) -> list[Array]:
        """Scratch memory of the calling thread."""
        if not function.arena:
            return []
        if not hasattr(self._scratch, "arena"):
            self._scratch.arena = aligned_empty((function.arena,), BYTES)
        return [self._scratch.arena]

    def _require_host(self) -> None:
        if self._why_not:
            raise ValueError(f"cannot run the kernel: {self._why_not}")


def _missing(target: Target) -> str:
    from lowering.backend.host import missing_on_host

    return missing_on_host(target)


def _callable(jit: Jit, function: Function) -> Callable[..., None]:
    return jit.function(function.symbol, None, *[c_void_p] * function.pointers)
