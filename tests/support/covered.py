"""What the executed kernels of a test run covered, kept as rows that add up across processes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import layout_of
from lowbit_dialect.ops.common import element_of, shape_of, shaped
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.corrections import CorrectionsOp
from lowbit_dialect.ops.elementwise import ElementwiseOp
from lowbit_dialect.ops.gather import GatherOp
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.ops.movement import MoveOp
from lowbit_dialect.ops.pool import PoolOp
from lowbit_dialect.ops.reshaping import TransposeOp
from lowbit_dialect.ops.rows import RowOp
from microkernels import lanewise
from microkernels.table import find_kernel
from microkernels.target import Target

TAILS = ("channel", "word", "row", "border", "none")
KERNELS = (
    LinearOp,
    CorrectionsOp,
    ConversionOp,
    TransposeOp,
    MoveOp,
    RowOp,
    GatherOp,
    PoolOp,
    ElementwiseOp,
)
"""Ops that become code of their own."""


@dataclass
class Row:
    """What one op covered on one tier."""

    kernels: int = 0
    pairs: set[str] = field(default_factory=set[str])
    tails: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TAILS, 0))
    mismatches: int = 0


@dataclass
class Coverage:
    """All rows, by op and tier, with the number of compiled programs and of guarded calls."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict[tuple[str, str], Row])
    programs: int = 0
    calls: int = 0

    def add(self, packed: ModuleOp, target: Target, calls: int, correct: bool) -> None:
        """Count the kernels of a program that ran, from its IR after `lowbit-pack`."""
        self.programs += 1
        self.calls += calls
        for op in kernels_of(packed):
            self._count(op, target, correct)
            if isinstance(op, LinearOp) and op.epilogue.blocks:
                for inner in op.epilogue.block.ops:
                    if isinstance(inner, ElementwiseOp):
                        self._row(f"  {name_of(inner)} in epilogue", target).kernels += 1

    def _row(self, name: str, target: Target) -> Row:
        return self.rows.setdefault((name, target.name), Row())

    def _count(self, op: Operation, target: Target, correct: bool) -> None:
        row = self._row(name_of(op), target)
        row.kernels += 1
        row.mismatches += not correct
        row.pairs.add(pair_of(op))
        for tail in tails_of(op, target) or ("none",):
            row.tails[tail] += 1

    def dump(self) -> dict[str, object]:
        """The coverage as plain values, for another process."""
        rows = [
            [*key, row.kernels, sorted(row.pairs), row.tails, row.mismatches]
            for key, row in self.rows.items()
        ]
        return {"rows": rows, "programs": self.programs, "calls": self.calls}

    def merge(self, dumped: dict[str, object]) -> None:
        """Add what another process dumped."""
        self.programs += dumped["programs"]  # pyright: ignore
        self.calls += dumped["calls"]  # pyright: ignore
        for op, tier, kernels, pairs, tails, mismatches in dumped["rows"]:  # pyright: ignore
            row = self.rows.setdefault((op, tier), Row())
            row.kernels += kernels
            row.pairs |= set(pairs)
            row.mismatches += mismatches
            for tail, count in tails.items():
                row.tails[tail] += count

    @property
    def kernels(self) -> int:
        """Kernels that ran; what runs inside an epilogue is part of its producer."""
        return sum(row.kernels for (op, _), row in self.rows.items() if not op.startswith(" "))

    @property
    def mismatches(self) -> int:
        """Kernels of programs with a wrong result."""
        return sum(row.mismatches for row in self.rows.values())

    def table(self) -> Iterable[str]:
        """The lines to print."""
        head = ["op", "tier", "kernels", "pairs", *(f"{t} tail" for t in TAILS[:3]), *TAILS[3:]]
        cells = [[*head, "mismatches"]]
        for (op, tier), row in sorted(self.rows.items(), key=lambda item: _order(item[0])):
            inner = op.startswith(" ")
            tails = ["" if inner else str(row.tails[t]) for t in TAILS]
            pairs = "" if inner else str(len(row.pairs))
            wrong = "" if inner else str(row.mismatches)
            cells.append([op, tier, str(row.kernels), pairs, *tails, wrong])
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        for line in cells:
            left = (cell.ljust(w) for cell, w in zip(line[:2], widths))
            yield "  ".join([*left, *(c.rjust(w) for c, w in zip(line[2:], widths[2:]))])
        pairs = set[str]().union(*(row.pairs for row in self.rows.values()))
        yield (
            f"{self.kernels} kernels in {self.programs} programs, {self.calls} calls between guard "
            f"pages, {len(pairs)} distinct element pairs, {self.mismatches} mismatches"
        )


def _order(key: tuple[str, str]) -> tuple[bool, str, str]:
    return key[0].startswith(" "), *key


def kernels_of(packed: ModuleOp) -> list[Operation]:
    """The ops of a packed module that become code of their own."""
    bodies = [f.body.block for f in packed.ops if isinstance(f, FuncOp)]
    return [op for body in bodies for op in body.ops if isinstance(op, KERNELS)]


def name_of(op: Operation) -> str:
    """The name of an op without its dialect."""
    return op.name.removeprefix("lowbit.")


def spelling(element: Attribute) -> str:
    """The short name of an element type."""
    return element.spelling if isinstance(element, CodeType) else str(element)


def pair_of(op: Operation) -> str:
    """The element types of an op: its two operands, or its input and its result."""
    if isinstance(op, LinearOp | CorrectionsOp):
        return f"{spelling(op.contraction.activation)} x {spelling(op.contraction.weight)}"
    source, target = (element_of(value.type) for value in (op.operands[0], op.results[0]))
    return f"{spelling(source)} -> {spelling(target)}"


def tails_of(op: Operation, target: Target) -> list[str]:
    """The kinds of tail that the loops of an op have."""
    match op:
        case LinearOp():
            return _linear_tails(op, target)
        case PoolOp():
            window = op.window
            found = {"border": any(a.head or a.tail for a in (window.rows, window.columns))}
            axis = {"nhwc": 3, "nchw": 1}[op.format.data]
            found["channel"] = shape_of(op.input)[axis] % lanewise.lanes(target) > 0
        case ElementwiseOp():
            per_channel = any(shape_of(table)[0] != 1 for table in op.tables)
            shape = shape_of(op.input)
            count = shape[op.channel_axis] if per_channel else _product(shape)
            found = {"channel": count % lanewise.lanes(target) > 0}
        case ConversionOp() | CorrectionsOp() | GatherOp():
            found = {"word": any(_cut_unevenly(value) for value in (*op.operands, *op.results))}
        case _:
            found = {}
    return [tail for tail, there in found.items() if there]


def _linear_tails(op: LinearOp, target: Target) -> list[str]:
    assert op.schedule is not None
    work, schedule = op.contraction, op.schedule.data
    assert schedule.microkernel and schedule.vectors and schedule.pixels
    kernel = find_kernel(schedule.microkernel, target)
    window = work.window
    columns = window.columns.out
    found = {
        "channel": work.outputs % (kernel.lanes * schedule.vectors) > 0,
        "word": work.inputs % kernel.channels_per_word > 0,
        "row": columns % min(schedule.pixels, columns) > 0,
        "border": any(a.head or a.tail for a in (window.rows, window.columns)),
    }
    return [tail for tail, there in found.items() if there]


def _cut_unevenly(value: object) -> bool:
    """Whether a layout cuts an axis of a value in blocks that do not divide it."""
    if isinstance(value.owner, ConstantOp):  # pyright: ignore
        return False
    type = shaped(value)  # pyright: ignore
    layout = layout_of(type)
    return layout is not None and any(c.extent % c.block for c in layout.splits(type.get_shape()))


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total
