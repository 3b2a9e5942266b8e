"""Measure on other machines: candidates go to the workers of a Dask cluster.

    with ClusterMeasurer("tcp://10.0.0.1:8786", Subject(text, "host")) as measurer:
        for schedule, outcome in measurer.measure(schedules):
            ...

Each worker tries them in a process of its own, as `autotune.measuring` does here. All that measure are of one
CPU, since the times of two say nothing about each other: where a cluster has several, one is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib import import_module
from itertools import islice
from queue import Empty, Queue
from threading import Lock
from typing import Any, cast

from autotune.candidate import Plan
from autotune.identity import machine_identity
from autotune.measuring import EFFORT, LIMITS, C, Measurer, MeasuringError, Subject, seconds_to
from autotune.outcome import Failed, Measured, Outcome
from autotune.stopwatch import Effort
from lowbit_dialect.schedule import Schedule
from lowering.backend.isolate import Limits

_PATIENCE = 10.0
"""Seconds after which a scheduler that does not answer is none."""
_LOOK = 2.0
"""Seconds between looks at who is left."""
_AHEAD = 2
"""Candidates that wait or run on each worker."""
_one_at_a_time = Lock()


class ClusterMeasurer:
    """What `autotune.measuring.Measurer` is, on the workers of a Dask cluster."""

    def __init__(
        self,
        address: str,
        subject: Subject,
        *,
        machine: str | None = None,
        reference: Schedule | None = None,
        limits: Limits = LIMITS,
        effort: Effort = EFFORT,
    ):
        """Take the workers that are there now, those of one `machine` identity.

        Raises `MeasuringError` if the extra is not installed, nobody answers, there are no workers, or they
        are of several machines and none is named.
        """
        dask = _dask()
        try:
            self._client = dask.Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise MeasuringError(f"no Dask scheduler answers at {address}: {error}") from error
        try:
            found = cast(Mapping[str, str], self._client.run(machine_identity))
            self.machine = chosen_machine(found, machine)
        except BaseException:
            self.close()
            raise
        self._workers = [worker for worker, identity in found.items() if identity == self.machine]
        self._subject = subject
        self._settings: dict[str, Any] = {
            "reference": "" if reference is None else str(reference),
            "limits": asdict(limits),
            "effort": asdict(effort),
        }

    def measure(
        self,
        candidates: Iterable[C],
        subject: Subject | None = None,
        until: float | None = None,
    ) -> Iterator[tuple[C, Outcome]]:
        """Measure candidates as `Measurer.measure` does; one whose worker is lost goes to another.

        When there is no other, it has failed as `lost`.
        """
        asked = self._settings | {"subject": asdict(subject or self._subject)}
        coming, under_way, done = iter(candidates), dict[Any, C](), Queue[Any]()
        try:
            while True:
                free = _AHEAD * len(self._workers) - len(under_way)
                for candidate in islice(coming, max(0, free)):
                    future = self._submit(asked, candidate)
                    under_way[future] = candidate
                    future.add_done_callback(done.put)
                if not under_way:
                    return
                future = self._next(done, under_way, until)
                if future is None:
                    return
                yield under_way.pop(future), _outcome(future)
        finally:
            self._client.cancel(list(under_way), force=True)

    def close(self) -> None:
        """Leave the cluster; its workers stay."""
        self._client.close()

    def __enter__(self) -> ClusterMeasurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, asked: dict[str, Any], candidate: Schedule | Plan) -> Any:
        request = json.dumps(asked | {"schedule": str(candidate)})
        return self._client.submit(
            measure_here, request, workers=self._workers, pure=False, retries=0
        )

    def _next(self, done: Queue[Any], under_way: Iterable[Any], until: float | None) -> Any:
        """One that is done, or any when nobody is left to do them; None when the time is over."""
        while True:
            left = seconds_to(until)
            try:
                return done.get(timeout=_LOOK if left is None else min(left, _LOOK))
            except Empty:
                if left is not None and left <= _LOOK:
                    return None
                there = self._client.scheduler_info(n_workers=-1)["workers"]
                if not set(self._workers) & set(there):
                    return next(iter(under_way))


def chosen_machine(found: Mapping[str, str], wanted: str | None) -> str:
    """The identity of those workers that measure, of all by address; raises `MeasuringError`."""
    there = sorted(set(found.values()))
    if wanted is not None and wanted in there:
        return wanted
    if wanted is None and len(there) == 1:
        return there[0]
    if not there:
        raise MeasuringError("the cluster has no workers: start some with `dask worker`")
    what = "has several machines" if wanted is None else f"has no machine '{wanted}'"
    raise MeasuringError(f"the cluster {what}: name one of {' | '.join(there)}")


def measure_here(request: str) -> str:
    """Try a candidate on this worker of a cluster; requests and answers are JSON."""
    asked = json.loads(request)
    subject = Subject(**asked["subject"])
    settings = json.dumps({name: asked[name] for name in ("reference", "limits", "effort")})
    with _one_at_a_time:  # two at once would disturb each other
        try:
            plan = Plan.parse(asked["schedule"])
            ((_, outcome),) = _measurer(settings).measure([plan], subject)
            return json.dumps(asdict(outcome))
        except MeasuringError as error:
            return json.dumps({"error": str(error)})


@lru_cache(1)
def _measurer(settings: str) -> Measurer:
    """The process in which this worker measures; it serves any subject."""
    asked = json.loads(settings)
    reference = Schedule.parse(asked["reference"]) if asked["reference"] else None
    return Measurer(
        reference=reference,
        limits=Limits(**asked["limits"]),
        effort=Effort(**asked["effort"]),
    )


def _outcome(future: Any) -> Outcome:
    """What came of a candidate; raises `MeasuringError` for a subject that cannot be measured."""
    if future.status != "finished":
        why = future.exception() if future.status == "error" else "no worker is left"
        return Failed("lost", " ".join(f"the worker was lost: {why}".split())[:400])
    told = json.loads(future.result())
    if "error" in told:
        raise MeasuringError(told["error"])
    return Failed(**told) if "kind" in told else Measured(**told)


def _dask() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise MeasuringError(
            "measuring on a cluster needs Dask: pip install 'lowbit[cluster]'"
        ) from error
