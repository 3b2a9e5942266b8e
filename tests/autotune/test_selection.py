"""Schedules of whole networks: never worse than choices one by one, within the RAM there is, same bits."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from residual import residual, resnet18
from xdsl.dialects.func import FuncOp

import lowbit
from autotune.capacity import Limited
from autotune.memory import Memory
from autotune.network import Network
from autotune.pbqp import Problem, solve
from autotune.processors import table_of
from autotune.selection import Selector
from lowbit.pipeline import lower
from lowbit_dialect.interface import functions_of
from lowbit_dialect.ops.common import element_of, shape_of
from lowbit_dialect.schedule import Schedule, ScheduleAttr
from microkernels.target import Target

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_w2a2.onnx"


def fused(program: lowbit.Program, target: Target) -> FuncOp:
    func = functions_of(lower(program.module, str(target), until="graph"))[program.name]
    assert isinstance(func, FuncOp)
    return func


def network_of(program: lowbit.Program, tier: str) -> Network:
    target = Target.parse(tier)
    return Selector(target, table_of(target)).network(fused(program, target))


def cost(network: Network, picked: list[int]) -> float:
    """What a choice of layers costs with the conversions that it needs."""
    nodes = list(network.problem.nodes)
    for layer, at in enumerate(picked):
        nodes[layer] = np.where(np.arange(len(nodes[layer])) == at, nodes[layer], np.inf)
    found = solve(Problem(nodes, network.problem.edges))
    assert found is not None
    return found.cost


def uniform(network: Network, way: tuple[str | None, str | None]) -> list[int]:
    """One algorithm and kernel everywhere; where there is none, what is best alone."""
    picked: list[int] = []
    for layer in network.layers:
        ways = [(one.schedule.algorithm, one.schedule.microkernel) for one in layer.choices]
        picked.append(ways.index(way) if way in ways else 0)
    return picked


@pytest.mark.parametrize("tier", ["x86-64", "x86-64-v3", "x86-64-v4-vpopcntdq", "rpi3"])
@pytest.mark.parametrize(("activation", "weight"), [("uint1", "odd1"), ("uint4", "int4")])
def test_never_worse_than_greedy_or_uniform(tier: str, activation: str, weight: str):
    network = network_of(residual(activation, weight, 14, 64), tier)
    found = solve(network.problem)
    assert found is not None and found.bound == found.cost
    assert found.cost == pytest.approx(cost(network, list(found.choice[: len(network.layers)])))
    ways = {
        (c.schedule.algorithm, c.schedule.microkernel) for n in network.layers for c in n.choices
    }
    greedy = [0] * len(network.layers)  # they are sorted by what they take alone
    for other in (greedy, *(uniform(network, way) for way in ways)):
        assert found.cost <= cost(network, other) * (1 + 1e-12)


def test_tables_that_two_read_are_made_once():
    """The 3x3 convolution of a block and the 1x1 beside it: alone the second gathers its pixels."""
    network = network_of(residual("uint2", "odd1", 28, 128), "x86-64-v3")
    found = solve(network.problem)
    assert found is not None
    schedules = network.schedules(found.choice)
    reads = [layer.choices[at].reads for layer, at in zip(network.layers, found.choice)]
    assert [one.microkernel for one in schedules[2:5]] == ["lookup_4x32"] * 3
    assert reads[2] == reads[4] and schedules[4].algorithm == "direct"


@cache
def network_of_resnet18() -> Network:
    return network_of(resnet18("uint2", "odd1"), "x86-64-v3")


def test_resnet18_has_choices_enough_and_is_reduced():
    network = network_of_resnet18()
    counts = [len(layer.choices) for layer in network.layers]
    assert len(counts) == 20 and min(counts[1:]) >= 10  # of 8 by 8 bits there are not as many
    found = solve(network.problem)
    assert found is not None and found.branches == 0 and found.bound == found.cost


def test_resnet18_within_tight_limits_is_solved_in_few_branches():
    """The arena is 4.5 MB without a limit, and 1.2 at least."""
    network = network_of_resnet18()
    memory = Memory(network, Target.parse("x86-64-v3"))
    limited = Limited(network.problem, memory.spaces, memory.needs)
    limit, costs = 1 << 22, list[float]()
    while (found := limited.within(limit).found) is not None:
        assert found.bound == found.cost and found.branches < 20
        limit = memory.needs(found.choice) - 1
        costs.append(found.cost)
    assert len(costs) > 2 and costs == sorted(costs)
    assert limited.within(limit).bound == np.inf


def feeds(program: lowbit.Program) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    given = ((element_of(one.type), shape_of(one)) for one in program.arguments)
    return [random.choice(np.array(e.values()), s).astype(e.storage) for e, s in given]  # pyright: ignore


def test_ram_is_respected_or_refused():
    program = residual("uint2", "odd1", 8, 16)
    arrays = feeds(program)
    wanted = lowbit.reference(program, *arrays)
    free = lowbit.compile(program, "x86-64", "exact")
    with pytest.raises(ValueError, match="the smallest arena is of") as refused:
        lowbit.compile(program, "x86-64", "exact", ram=64)
    smallest = int(str(refused.value).split()[-1])
    assert 64 < smallest < free.signature.main.arena
    for limit in (smallest, (smallest + free.signature.main.arena) // 2):
        kernel = lowbit.compile(program, "x86-64", "exact", ram=limit)
        assert kernel.signature.main.arena <= limit
        assert np.array_equal(kernel(*arrays), wanted)
    with pytest.raises(
        ValueError, match=f"as ram = {smallest - 1} bytes: the smallest arena is of {smallest}$"
    ):
        lowbit.compile(program, "x86-64", "exact", ram=smallest - 1)


def test_digits_by_exact_schedules():
    program = lowbit.import_model(DIGITS)
    kernel = lowbit.compile(program, schedule="exact")
    images = np.random.default_rng(2).random((3, *shape_of(program.arguments[0])), np.float32)
    for image in images:
        assert np.array_equal(kernel(image), lowbit.reference(program, image))


def test_pins_are_kept_and_cost_something():
    program = residual("uint2", "odd1", 14, 64, stages=1)
    target = Target.parse("x86-64-v3")
    func = fused(program, target)
    selector = Selector(target, table_of(target))
    free = selector.select(func)
    pinned = Schedule(microkernel="dot_u8s8x8", parallel="none")
    first = next(iter(selector.network(func).layers)).op
    first.schedule = ScheduleAttr(pinned)
    kept = selector.select(func)
    assert kept.schedules[0].microkernel == "dot_u8s8x8"
    ((op, lost),) = selector.pins(func)
    assert op is first and lost == pytest.approx(kept.seconds - free.seconds) and lost > 0
