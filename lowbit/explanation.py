"""What happened to a program on its way down: fusion, ranges, layouts, schedules, IR."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue

from autotune.ceilings import ceilings, level_in
from autotune.processors import table_of
from autotune.selection import Selector
from lowbit.bench.limits import work_of_op
from lowbit.code_generation import resolve
from lowbit.element_types import spelling_of
from lowbit.forecast import Forecast
from lowbit.lowered import as_written
from lowbit.pipeline import STAGES, Stage, lower, source_of
from lowbit.program import Program
from lowbit.signature import signature_of
from lowbit_dialect.interface import functions_of
from lowbit_dialect.layout import layout_of
from lowbit_dialect.names import title
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.gather import GatherOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.movement import MoveOp
from lowbit_dialect.ops.reshaping import TransposeOp
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target

_LONG = re.compile(r'dense<(?:"0x[0-9A-Fa-f]{64,}"|\[[^>]{200,}\])>')


@dataclass(frozen=True)
class Bound:
    """What a layer cannot beat on one core of its target, whatever its schedule."""

    limit_us: float
    limited_by: str
    """The rate that sets it: of a family of kernels, or of bytes from a level."""
    intensity: float
    """Multiply-adds of the fastest family for each byte that must be read or written once."""
    bytes: int
    level: str
    """The cache that holds all these bytes at once."""

    @staticmethod
    def of(op: LinearOp, target: Target) -> Bound:
        """The bound of an op on tensors, by the table of the target's processor."""
        rates = ceilings(target, table_of(target))
        work = work_of_op(op, lambda size: level_in(target, size))
        seconds, slowest = work.seconds(rates)
        moved = work.bytes_read + work.bytes_written
        products = work.products[work.family(rates)]
        return Bound(
            float(f"{seconds * 1e6:.4g}"),
            slowest,
            round(products / moved, 2),
            moved,
            work.level,
        )


@dataclass(frozen=True)
class LayerStory:
    """What became of one `conv2d` or `dense`."""

    op: str
    fused: tuple[str, ...]
    """Ops in its epilogue, in order."""
    accumulator: str
    """Range of the sums, and where it comes from."""
    input: str
    weights: str
    output: str
    """Layout of each operand and of the result."""
    schedule: str
    bound: Bound
    forecast: Forecast | None
    """None where the op has no schedule."""


@dataclass(frozen=True)
class Chosen:
    """What the exact selection of schedules came to."""

    predicted_us: float
    """All layers together with what values are converted for."""
    bound_us: float
    """What no other choice is predicted to take less than: the same if it is proved to be the best."""
    solved_ms: float
    choices: tuple[int, ...]
    """How many each layer had."""
    pins: tuple[tuple[str, float], ...]
    """Each op that pins something, and the microseconds that the best choice loses by that."""

    @staticmethod
    def of(func: FuncOp, target: Target, ram: int) -> Chosen:
        """Select once more for a fused function, with and without what its ops pin."""
        selector = Selector.of(target)
        found = selector.select(func, ram)
        pins = ((title(op), round(lost * 1e6, 3)) for op, lost in selector.pins(func, ram))
        times = found.seconds * 1e6, found.bound * 1e6, found.solving * 1e3
        predicted, bound, solved = (round(one, 3) for one in times)
        return Chosen(predicted, bound, solved, found.choices, tuple(pins))


@dataclass(frozen=True)
class Explanation:
    """Everything that `lowbit explain` prints."""

    layers: tuple[LayerStory, ...]
    not_fused: tuple[tuple[str, str], ...]
    """Each elementwise op that stands alone, and why."""
    conversions: tuple[str, ...]
    """Ops that pack, unpack or move data between layouts."""
    arena_bytes: int
    chosen: Chosen | None
    """None unless schedules were selected exactly."""
    stages: dict[str, str]
    """IR after each stage, long constants left out."""


def explain(
    program: Program, target: str = "host", schedule: str | Schedule = "default"
) -> Explanation:
    """Take a program down and say what each stage decided; raises ValueError naming the op at fault."""
    machine = resolve(target)
    modules: dict[str, ModuleOp] = {}
    texts = {"source": shorten(str(as_written(program).module))}

    def watch(stage: str, module: ModuleOp) -> None:
        texts[stage] = shorten(str(module))
        modules[stage] = module.clone()

    lowered = lower(program.module, target, schedule, watch=watch)
    graph, plan = modules["graph"], modules["plan"]
    planned = functions_of(plan)[program.name]
    fused = functions_of(graph)[program.name]
    stories = [
        _story(before, after, machine)
        for before, after in zip(_linear(fused), _linear(planned), strict=True)
    ]
    alone = [op for op in fused.body.block.ops if isinstance(op, ElementwiseOp)]
    moves = [op for op in planned.body.block.ops if _is_conversion(op)]
    return Explanation(
        tuple(stories),
        tuple((title(op), why_alone(op)) for op in alone),
        tuple(_movement(op) for op in moves),
        signature_of(lowered).main.arena,
        _chosen(fused, machine, schedule),
        texts,
    )


def _chosen(func: Operation, target: Target, schedule: str | Schedule) -> Chosen | None:
    source, ram = source_of(schedule)
    return Chosen.of(func, target, ram) if source == "exact" and isinstance(func, FuncOp) else None


def stage_text(program: Program, stage: str, target: str, schedule: str | Schedule) -> str:
    """The IR of one stage, long constants left out; `source` is the program itself."""
    if stage == "source":
        return shorten(str(program.module))
    names: dict[str, Stage] = {one: one for one in STAGES}
    return shorten(str(lower(as_written(program).module, target, schedule, names[stage])))


def shorten(text: str) -> str:
    """Leave out the values of long constants."""
    return _LONG.sub("dense<...>", text)


def _linear(func: Operation) -> list[LinearOp]:
    return [op for op in func.walk() if isinstance(op, LinearOp)]


def _story(before: LinearOp, after: LinearOp, target: Target) -> LayerStory:
    bound, schedule = Bound.of(before, target), after.schedule.data if after.schedule else None
    inner = list(before.epilogue.block.ops)[:-1] if before.epilogue.blocks else []
    return LayerStory(
        title(before),
        tuple(op.name.removeprefix("lowbit.") for op in inner),
        describe_range(before),
        _stored(after.input),
        _stored(after.weights),
        _stored(after.results[0]),
        str(schedule or ""),
        bound,
        Forecast.of(before, schedule, target, bound.limit_us) if schedule else None,
    )


def _stored(value: SSAValue) -> str:
    type = shaped(value)
    layout = layout_of(type)
    text = f"{'x'.join(map(str, type.get_shape()))} of {spelling_of(type.element_type)}"
    return f"{text} as {layout}" if layout else text


def describe_range(op: LinearOp) -> str:
    """The range of the accumulators of an op, and what it was derived from."""
    work = op.contraction
    if isinstance(work.activation, Float32Type):
        return f"f32 sums of {work.depth} products"
    low, high = op.sums
    source = "types" if op.range is None else "weights"
    return f"{low}..{high} from the {source} ({work.depth} products)"


def why_alone(op: ElementwiseOp) -> str:
    """Why an elementwise op is in no epilogue, in a few words."""
    from lowering.lowbit_fuse import sole_user, why_not

    producer = op.input.owner
    if not isinstance(producer, Operation):
        return "its input is an argument"
    if not isinstance(producer, LinearOp):
        return (
            f"its input comes from {producer.name.removeprefix('lowbit.')}, which has no epilogue"
        )
    if sole_user(op.input) is not op:
        return f"the result of {title(producer)} has other users as well"
    return why_not(op, op.input, producer) or "what it reads stands behind its producer"


def _is_conversion(op: Operation) -> bool:
    return isinstance(op, ConversionOp | TransposeOp | MoveOp | GatherOp)


def _movement(op: Operation) -> str:
    sources = ", ".join(map(_stored, op.operands))
    return f"{title(op)}: {sources} -> {_stored(op.results[0])}"
