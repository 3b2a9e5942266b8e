"""The process that has a board try candidates, one after another: the far side of `autotune.board`.

Requests and answers are those of `autotune.measuring_worker`, with the `board` beside: how it is reached, a
folder there, and for how long a candidate may run. Code is generated and linked here, since LLVM may end the
process; the board compares, times, and answers.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np

from autotune.board_program import BoardData, Built, board_program
from autotune.board_transport import BoardError, Done, Transport
from autotune.candidate import Edit, Plan, lower_candidate
from autotune.linking import LinkingError, find_linker
from autotune.measuring import Subject
from autotune.measuring_worker import NO_CODE, failed, planned, tried, without_code
from autotune.outcome import Failed, Outcome
from autotune.stopwatch import Effort, measured
from autotune.workbench import RUNS, Workbench, address_space
from lowbit_dialect.layout import storage_of
from lowering.backend.host import resolve_target

_PREPARED = 8
"""Subjects that are kept."""
_SENDING = 300.0
"""Seconds that it may take to send a program or data."""
_SIGNALS = {
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    14: "SIGALRM",
}
_CANNOT_START = 126, 127
"""Exit codes of a shell for what is no program of the machine."""


@dataclass(frozen=True)
class Board:
    """Where candidates run."""

    command: tuple[str, ...]
    folder: str
    seconds: float
    """That a candidate may run there."""

    @property
    def transport(self) -> Transport:
        """How it is reached."""
        return Transport(self.command)


class BoardStation:
    """A subject made ready, its data on the board."""

    def __init__(self, subject: Subject, reference: str, board: Board):
        """Raises what compiling the reference candidate and sending do, and ValueError where it is wrong."""
        self._board, self._target = board, resolve_target(subject.target)
        self._linker = find_linker(self._target)
        self.bench = Workbench(subject.program, self._target)
        if not self.bench.exact:
            raise ValueError(
                "a board compares bits, and those of sums of f32 depend on the schedule: tune such a program "
                "where it runs"
            )
        self._data = BoardData(self.bench)
        self._file = f"data-{sha256(self._data.image).hexdigest()[:16]}"
        self._send(self._data.image, self._file)
        self.reference = Plan.parse(reference) if reference else planned(self.bench, self._target)
        self._built = self._compiled(self.reference, "reference")
        outcome = self.outcome(self.reference, None, Effort(1, 1))
        if isinstance(outcome, Failed):
            raise ValueError(
                f"the reference candidate has failed, {outcome.kind}: {outcome.message}"
            )

    def outcome(
        self, plan: Plan, best: float | None, effort: Effort, edit: Edit | None = None
    ) -> Outcome:
        """Compile a candidate, and have the board compare and time it."""
        try:
            candidate = self._compiled(plan, "candidate", edit)
        except NO_CODE as error:
            return without_code(error)
        try:
            program = board_program(self._linker, self._data, candidate, self._built)
            return self._told(self._run(program, best, effort))
        except LinkingError as error:
            return failed("compile", error)
        except BoardError as error:
            return failed("lost", error)

    def _compiled(self, plan: Plan, symbol: str, edit: Edit | None = None) -> Built:
        code = lower_candidate(self.bench.graph, plan, self._target, symbol=f"lowbit_{symbol}")
        if edit is not None:
            code = replace(code, translated=edit(code.translated))
        return Built.of(code, self._target)

    def _send(self, data: bytes, name: str) -> None:
        text = f"cd {shlex.quote(self._board.folder)} && cat >sent && mv sent {name}"
        done = self._board.transport.run(text, data, _SENDING)
        if done.code:
            raise ValueError(f"the board cannot keep {len(data)} bytes: {_last(done)}")

    def _run(self, program: bytes, best: float | None, effort: Effort) -> Done:
        """Send a program and run it."""
        board = self._board
        given = (
            self._file,
            max(1, round(board.seconds)),
            effort.allocations,
            effort.rounds,
            effort.sample,
            effort.cool_down,
            effort.give_up,
            best or 0.0,
        )
        text = (
            f"cd {shlex.quote(board.folder)} && rm -f program && cat >program && chmod 700 program && "
            f"./program {' '.join(map(str, given))} </dev/null"
        )
        return board.transport.run(text, program, _SENDING + board.seconds)

    def _told(self, done: Done) -> Outcome:
        """What a program that ended says of its candidate."""
        if done.code:
            return self._ended(done)
        told: dict[str, Any] = json.loads(done.output)
        if "times" in told:
            return measured([[(one, other) for one, other in rounds] for rounds in told["times"]])
        if "kind" in told:
            return Failed(told["kind"], told["message"])
        shape, dtype = storage_of(self.bench.results[int(told["result"])])
        at = list(map(int, np.unravel_index(int(told["first"]) // dtype.itemsize, shape)))
        return Failed(
            "wrong",
            f"result {told['result']} on {told['data']} data, {told['side']}-flush: {told['wrong']} bytes "
            f"differ, the first of what is stored at {at}",
        )

    def _ended(self, done: Done) -> Failed:
        """How a program failed that did not come to its end."""
        ran = next((line for line in reversed(done.said) if line.startswith(RUNS)), "")
        if done.code in _CANNOT_START:
            raise ValueError(f"the board cannot run programs for {self._target}: {_last(done)}")
        killer = _SIGNALS.get(done.code - 128, "")
        told = f"the program {f'died by {killer}' if killer else f'ended with exit code {done.code}'}: {ran}"
        if killer == "SIGALRM":
            return Failed(
                "timeout", f"the program was stopped after {self._board.seconds:g} s: {ran}"
            )
        if killer == "SIGKILL":
            return Failed("memory", told)
        return Failed("bounds" if killer in ("SIGSEGV", "SIGBUS") and ran else "crash", told)


def prepare(request: bytes) -> bytes:
    """Make a subject ready; raises what it is refused for."""
    _asked_for(json.loads(request))
    return json.dumps({"memory": address_space()}).encode()


def measure(request: bytes) -> bytes:
    """Have a candidate tried."""
    return answer(request)


def answer(request: bytes, edit: Edit | None = None) -> bytes:
    """Have a candidate tried, the reference one if none is named, after an `edit` of its code."""
    asked = json.loads(request)
    return tried(asked, *_asked_for(asked), edit)


def _asked_for(asked: dict[str, Any]) -> tuple[BoardStation, Effort]:
    board = Board(**asked["board"] | {"command": tuple(asked["board"]["command"])})
    station = _station(Subject(**asked["subject"]), str(asked["reference"]), board)
    return station, Effort(**asked["effort"])


@lru_cache(_PREPARED)
def _station(subject: Subject, reference: str, board: Board) -> BoardStation:
    return BoardStation(subject, reference, board)


def _last(done: Done) -> str:
    return done.said[-1] if done.said else f"exit code {done.code}"
