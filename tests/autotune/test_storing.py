"""Conversions that selection counts on are those that packing inserts, and arenas those that it plans."""

from collections import Counter
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from networks import Drawn, networks
from xdsl.context import Context
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from autotune.choices import Choices
from autotune.memory import Memory, arena_of
from autotune.network import Layer, Network, Want, linears_of
from autotune.processors import table_of
from lowbit.pipeline import lower
from lowbit_dialect.interface import functions_of
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import shape_of, shaped
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.gather import GatherOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.reshaping import ReshapeOp
from lowbit_dialect.schedule import ScheduleAttr
from lowering.lowbit_bufferize import LowbitBufferizePass
from lowering.lowbit_pack import LowbitPackPass
from lowering.preconditions import block_of
from microkernels.target import Target

TARGETS = ("x86-64-v3", "x86-64", "x86-64-v4-vpopcntdq", "rpi3", "cortex-m7")
DRAWN = 4
"""Schedules of each op that are drawn."""


def drawn_choices(drawn: Drawn, target: Target, random: Random) -> tuple[Network, list[int]]:
    """A network whose ops may run by drawn schedules, and one choice for each op."""
    graph = lower(drawn.module, str(target), until="graph")
    func = functions_of(graph)["main"]
    assert isinstance(func, FuncOp)
    layers: list[Layer] = []
    for op in linears_of(func):
        choices = Choices(op, target, table_of(target))
        sampled = (choices.space.sample(random) for _ in range(DRAWN))
        layers.append(Layer(op, tuple(map(choices.of, sampled))))
    picked = [random.randrange(DRAWN) for _ in layers]
    return Network(func, layers, table_of(target), target), picked


def completed(network: Network, picked: list[int]) -> list[int]:
    """The choice of all nodes that one of layers comes to."""
    takes = [layer.takes[at] for layer, at in zip(network.layers, picked)]
    found: list[int] = []
    for value in network.values:
        uses = (use for use in value.value.uses if read_by(network, use))
        taken = [takes[at] for at in sorted(network.at[use.operation] for use in uses)]
        forms = frozenset(form for form, _ in taken)
        found.append(value.wants.index(Want(forms, taken[-1] if taken else None)))
    return [*picked, *found]


def read_by(network: Network, use) -> bool:
    return use.operation in network.at and use.index == 0


def counted_on(network: Network, choice: list[int]) -> Counter[str]:
    """The conversions of values by what each is stored as before and after."""
    found: Counter[str] = Counter()
    for value, at in zip(network.values, choice[len(network.layers) :]):
        writer = network.at.get(value.value.owner)
        packs = writer is not None and network.layers[writer].choices[choice[writer]].packs
        shape = shape_of(value.value)
        for source, form in value.stored(value.wants[at], packs=packs).conversions:
            found[f"{shape}: {source} to {form}"] += 1
    return found


def inserted(func: FuncOp) -> Counter[str]:
    """The same of a packed function, without what is made for one op alone."""
    found: Counter[str] = Counter()
    for op in block_of(func).ops:
        if isinstance(op, ConversionOp) and not (gathered(op) or in_strips(op)):
            source, form = (layout_of(shaped(value)) for value in (op.input, op.results[0]))
            found[f"{shape_of(op.input)}: {source} to {form}"] += 1
    return found


def gathered(op: Operation) -> bool:
    """Whether an op converts windows, or lines that they are gathered from."""
    while isinstance(op, ConversionOp | ReshapeOp):
        if len(shape_of(op.operands[0])) == 3:
            return True
        owner = op.operands[0].owner
        if not isinstance(owner, Operation):
            return False
        op = owner
    return isinstance(op, GatherOp)


def in_strips(op: ConversionOp) -> bool:
    users = [use.operation for use in op.results[0].uses]
    return all(
        isinstance(user, LinearOp) and user.schedule and user.schedule.data.tables == "strips"
        for user in users
    )


@settings(max_examples=40, phases=[Phase.generate])
@given(networks(), st.integers(0, 2**32 - 1), st.sampled_from(TARGETS))
def test_packing_inserts_what_is_counted_on(drawn: Drawn, seed: int, tier: str):
    target = Target.parse(tier)
    network, picked = drawn_choices(drawn, target, Random(seed))
    choice = completed(network, picked)
    assert network.problem.cost(choice) < float("inf")
    packed = lower(drawn.module, str(target), until="graph")
    func = functions_of(packed)["main"]
    assert isinstance(func, FuncOp)
    for op, schedule in zip(linears_of(func), network.schedules(choice)):
        op.properties["schedule"] = ScheduleAttr(schedule)
    LowbitPackPass(target=str(target)).apply(Context(), packed)
    assert counted_on(network, choice) == inserted(func)
    memory = Memory(network, target)
    least = max(sum(space[at] for space, at in zip(memory.spaces, choice)), default=0)
    LowbitBufferizePass().apply(Context(), packed)
    assert least <= memory.needs(choice) == arena_of(func)
