"""Measure on a board: code is made here, sent there, compared with the reference and timed there.

    with BoardMeasurer("ssh:pi@raspberrypi", Subject(text, "rpi3")) as measurer:
        for schedule, outcome in measurer.measure(schedules):
            ...

Nothing needs to be installed on the board but a shell. Records carry what its processor says of itself, so
that they are none of another machine's.
"""

from __future__ import annotations

import contextlib
import shlex

from autotune.board_transport import BoardError, Transport
from autotune.identity import board_identity
from autotune.linking import find_linker
from autotune.measuring import EFFORT, Measurer, MeasuringError, Subject
from autotune.stopwatch import Effort
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import resolve_target
from lowering.backend.isolate import Limits

_LIMITS = Limits(seconds=600.0, cpu_seconds=600, memory=64 << 30)
"""What compiling, linking, sending and running a candidate may take here; on the board it has `SECONDS`."""
SECONDS = 20.0
"""That a candidate may run on the board."""
_GREETING = """
mktemp -d "${TMPDIR:-/tmp}/lowbit.XXXXXX" || exit 1
tr -d '\\0' </proc/device-tree/model 2>/dev/null | head -n 1
echo; echo ----
cat /proc/cpuinfo 2>/dev/null || lscpu
"""


class BoardMeasurer(Measurer):
    """What `Measurer` is, with a board that runs the code."""

    def __init__(
        self,
        runner: str,
        subject: Subject,
        *,
        reference: Schedule | None = None,
        effort: Effort = EFFORT,
        seconds: float = SECONDS,
        job: str = "autotune.board_worker:measure",
    ):
        """Reach the board; a candidate may run there for so many `seconds`.

        Raises ValueError for a runner that is none, or that nothing links for the target, and
        `MeasuringError` for a board out of reach.
        """
        self._transport, target = Transport.parse(runner), resolve_target(subject.target)
        find_linker(target)
        try:
            done = self._transport.run(_GREETING)
        except BoardError as error:
            raise MeasuringError(str(error)) from error
        if done.code:
            raise MeasuringError(
                f"the board has no folder for programs: {' '.join(done.said[-1:])}"
            )
        names, _, processor = done.output.decode("utf-8", "replace").partition("\n----\n")
        self._folder, _, board = names.strip().partition("\n")
        super().__init__(
            subject,
            reference=reference,
            limits=_LIMITS,
            effort=effort,
            job=job,
            preparing="autotune.board_worker:prepare",
            machine=board_identity(processor, board, target),
            more={
                "board": {
                    "command": self._transport.command,
                    "folder": self._folder,
                    "seconds": seconds,
                }
            },
        )

    def close(self) -> None:
        """End the worker, and remove what was sent."""
        super().close()
        with contextlib.suppress(BoardError):
            self._transport.run(f"rm -rf {shlex.quote(self._folder)}")
