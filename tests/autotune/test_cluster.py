"""Measure on a local cluster of two processes, one of which is killed on the way."""

import os
import signal
from collections import Counter

import pytest
from distributed import LocalCluster
from xdsl.context import Context

import lowbit
from autotune.candidate import linear_of
from autotune.cluster import ClusterMeasurer, chosen_machine
from autotune.identity import machine_identity
from autotune.measuring import MeasuringError, Subject
from autotune.outcome import Failed, Measured
from autotune.plan import LowbitPlanPass
from autotune.workbench import Workbench
from lowbit_dialect.schedule import Schedule
from lowering.backend.host import host_target

LAYER = str(lowbit.conv2d((1, 5, 5, 32), (3, 3, 32, 32), "uint1", "odd1", padding=1))


def planned() -> Schedule:
    module = Workbench(LAYER, host_target()).graph
    LowbitPlanPass().apply(Context(), module)
    op = linear_of(module)
    assert op.schedule is not None
    return op.schedule.data


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
    ) as local:
        yield local


def test_a_killed_worker_loses_no_candidate(cluster: LocalCluster):
    schedule = planned()
    bad = Schedule.parse(str(schedule).replace("microkernel = ", "microkernel = no_"))
    asked = [schedule, bad, *[schedule] * 8]
    counted: Counter[str] = Counter()
    with ClusterMeasurer(cluster.scheduler_address, Subject(LAYER)) as measurer:
        assert measurer.machine == machine_identity()
        pids = list(measurer._client.run(os.getpid).values())  # pyright: ignore
        for number, (found, outcome) in enumerate(measurer.measure(asked)):
            if number == 1:
                os.kill(pids[0], signal.SIGKILL)
            assert isinstance(outcome, Measured if found == schedule else Failed), outcome
            counted[str(found)] += 1
    assert counted == Counter(map(str, asked))


def test_a_layer_that_cannot_be_measured_is_told(cluster: LocalCluster):
    with (
        ClusterMeasurer(cluster.scheduler_address, Subject("nonsense")) as measurer,
        pytest.raises(MeasuringError, match="the layer cannot be measured"),
    ):
        list(measurer.measure([Schedule()]))


def test_a_candidate_is_lost_when_nobody_is_left(cluster: LocalCluster):
    with ClusterMeasurer(cluster.scheduler_address, Subject(LAYER)) as measurer:
        measurer._workers = ["tcp://127.0.0.1:1"]  # pyright: ignore[reportPrivateUsage]
        ((_, outcome),) = measurer.measure([planned()])
    assert outcome == Failed("lost", "the worker was lost: no worker is left")


def test_one_machine_measures():
    several = {"tcp://a": "zen 4", "tcp://b": "zen 5", "tcp://c": "zen 4"}
    assert chosen_machine(several, "zen 5") == "zen 5"
    assert chosen_machine({"tcp://a": "zen 4"}, None) == "zen 4"
    with pytest.raises(MeasuringError, match=r"several machines: name one of zen 4 \| zen 5"):
        chosen_machine(several, None)
    with pytest.raises(MeasuringError, match=r"no machine 'zen 3': name one of zen 4 \| zen 5"):
        chosen_machine(several, "zen 3")
    with pytest.raises(MeasuringError, match="has no workers"):
        chosen_machine({}, None)


def test_nobody_answers():
    with pytest.raises(MeasuringError, match="no Dask scheduler answers at nonsense"):
        ClusterMeasurer("nonsense", Subject(LAYER))
