"""What one register block costs the core: ports, chains of sums, registers that do not suffice.

Each class of instructions has its pipes, all vectors share some, and all instructions the decoder: the
fullest of them bounds a block, or the chain of additions that each accumulator waits for. Accumulators and
what LLVM loads ahead of its use beyond the registers are stored and loaded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from autotune.machine_table import GENERAL, VECTOR, MachineTable
from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES
from lowbit_dialect.ops.contraction import Contraction
from microkernels.instructions import Counts, Instructions, total
from microkernels.interface import Microkernel
from microkernels.legality import sums_of
from microkernels.target import Target

PAIRED = 4
"""Unrolled words from which on LLVM adds their products in pairs, so that a sum waits half as often."""

MANY = 32
"""Registers from which on LLVM loads words ahead of their use, half of those of a row of words; with fewer it
makes them operands in memory."""

TEMPORARIES = 3
"""Registers of a word of activations, a product and a constant."""

LOOP = {"scalar": 4.0, "branch": 1.0}
"""Of one turn of a loop: two addresses, its counter, its end."""

PLACING = {"scalar": 20.0, "branch": 3.0}
"""Of one tile: addresses of its operands, bounds of its taps, the loops around it."""


@dataclass(frozen=True)
class Block:
    """A register block and its loops."""

    pixels: int
    vectors: int
    unroll: int
    taps: str
    planes: str


@dataclass(frozen=True)
class Cost:
    """Cycles of one tile, and what bounds them."""

    cycles: float
    binds: str


class TileCost:
    """Costs of the blocks of one kernel on a contraction."""

    def __init__(
        self, work: Contraction, kernel: Microkernel, machine: MachineTable, target: Target
    ):
        self.work, self.kernel, self.machine, self.target = work, kernel, machine, target
        self.x_planes = _planes(work.activation, PLANES in kernel.input_layout(work).terms)
        self.w_planes = _planes(work.weight, PLANES in kernel.weight_layout(work, 1).terms)
        self.words = -(-work.inputs // kernel.channels_per_word)
        self.narrows = kernel.narrows(work.activation, work.weight)
        wide = 64 if kernel.lanes == 1 else target.simd_bits
        self.registers_each = max(1, kernel.lanes * 32 // wide)
        """Registers of an accumulator that the epilogue receives."""
        self._known: dict[Block, Cost] = {}
        self._instructions: dict[int, Instructions] = {}

    def _parts(self, row: int) -> Instructions:
        """The instructions of the kernel where so many words stand in a row."""
        if row not in self._instructions:
            self._instructions[row] = self.kernel.instructions(self.work, row)
        return self._instructions[row]

    @cached_property
    def taps_inside(self) -> float:
        """Taps of an output inside the image, on average."""
        rows, columns = self.work.window.rows, self.work.window.columns
        return rows.taps_inside * columns.taps_inside / (rows.out * columns.out)

    @cached_property
    def _inner(self) -> tuple[int, int]:
        """Sums of an output where pairs of planes are innermost, and how many pairs one takes at most."""
        sums = sums_of(self.work, self.kernel)
        return len(sums), max(len(one.pairs) for one in sums)

    def of(self, block: Block) -> Cost:
        """The cost of a tile of this block."""
        if block not in self._known:
            self._known[block] = self._cost(block)
        return self._known[block]

    def _cost(self, block: Block) -> Cost:
        inner = block.planes == "inner"
        pairs, (sums, together) = self.x_planes * self.w_planes, self._inner if inner else (1, 1)
        passes = 1 if inner else pairs
        steps = self.taps_inside * self.words
        size = block.pixels * block.vectors
        parts = self._parts(self._ahead(block))
        spilled = self._spilled(block, sums)
        counts = total(
            (size * pairs * steps, parts.product),
            (block.pixels * (self.x_planes if inner else pairs) * steps, parts.input),
            (block.vectors * (self.w_planes if inner else pairs) * steps, parts.weights),
            ((size - block.pixels) * pairs * steps * self._copies, {"integer": 1.0}),
            *self._folding(block, sums, together, passes, parts.folds),
            (size * self.registers_each, self._finishing),
            (self._turns(block) * passes, LOOP),
            (1, PLACING),
        )
        waits = self.machine.latency.get(parts.chain, 1.0)
        if parts.chain == "integer" and self._ahead(block) >= PAIRED:
            waits /= 2
        chain = passes * steps * together * waits
        bounds = {**pressures(counts, self.machine), "chain": chain}
        binds = max(bounds, key=lambda name: bounds[name])
        spilling = spilled * passes * steps / self.machine.rates["store"]
        return Cost(bounds[binds] + spilling, "spills" if spilling > bounds[binds] else binds)

    @cached_property
    def _copies(self) -> int:
        """Copies of an operand for each product: below AVX an instruction overwrites one."""
        return int(self.target.vector_bits < 256 and self.kernel.lanes > 1)

    @cached_property
    def _finishing(self) -> Mapping[str, float]:
        """Of one register of results: doubling between classes of planes, correcting, storing."""
        classes = self.x_planes + self.w_planes - 1
        return {"integer": classes, "store": 1.0}

    def _ahead(self, block: Block) -> int:
        """Words whose products stand in a row, without a loop between."""
        columns = self.work.window.columns.kernel
        whole = block.taps == "columns" and block.unroll >= self.words
        return min(block.unroll, self.words) * (columns if whole else 1)

    def _spilled(self, block: Block, sums: int) -> float:
        """Registers' worth of accumulators, and of weights loaded ahead, that registers do not hold."""
        each = len(self.narrows[0].types) if self.narrows else self.registers_each
        registers = 16 if self.kernel.lanes == 1 else self.target.vector_registers
        kept = block.pixels * block.vectors * sums * each + TEMPORARIES
        over = max(0, kept - registers)
        if registers < MANY:
            return over
        # Each of these is stored and loaded once in the words that stand in a row.
        ahead = self._ahead(block)
        early = ahead * (block.vectors + block.pixels) / 2
        return over + max(0, min(early, early + kept - registers)) / ahead

    def _folding(
        self, block: Block, sums: int, together: int, passes: int, parts: tuple[Counts, ...]
    ) -> list[tuple[float, Mapping[str, float]]]:
        """How often narrow accumulators are folded, and what that takes."""
        rows, columns = self.work.window.rows.kernel, self.work.window.columns.kernel
        found: list[tuple[float, Mapping[str, float]]] = []
        for narrow, counts in zip(self.narrows, parts):
            limit = max(1, narrow.steps // together)
            if self.words * columns * rows <= limit:
                times = 1.0
            elif self.words * columns <= limit:
                times = rows
            else:
                times = self.taps_inside * -(-self.words // limit)
            folds = times * passes * sums * block.pixels * block.vectors
            # The sums around wait in memory while the narrow ones take the registers.
            waiting = {"load": 1.0, "store": 1.0} if block.pixels * block.vectors > 4 else {}
            found += [(folds, counts), (folds, waiting)]
        return found

    def _turns(self, block: Block) -> float:
        """Turns of the loops of one pass."""
        rows, columns = self.work.window.rows.kernel, self.work.window.columns.kernel
        along = columns if block.taps == "none" else 1
        pieces = -(-self.words // block.unroll)
        return rows * (1 + along + (columns * pieces if pieces > 1 else 0))


def pressures(counts: Mapping[str, float], machine: MachineTable) -> dict[str, float]:
    """Cycles that each kind of pipe is taken."""
    rate, mixed = machine.rates, machine.mixing
    get = counts.get
    moved = get("look_up", 0) + get("widening", 0) + machine.spreading * get("spread", 0)
    loads = get("load", 0) + get("broadcast", 0) + get("spread", 0)
    return {
        "vectors": sum(get(name, 0) for name in VECTOR) / machine.vector,
        "popcounts": get("popcount", 0) / rate["popcount"],
        "look-ups": moved / rate["look_up"] / mixed,
        "products": get("multiply", 0) / rate["multiply"] / mixed,
        "float": get("float", 0) / rate["float"],
        "ternary": get("ternary", 0) / rate["ternary"],
        "loads": loads / rate["load"],
        "stores": get("store", 0) / rate["store"],
        "scalars": sum(get(name, 0) for name in GENERAL) / machine.general,
        "scalar products": get("scalar_multiply", 0) / rate["scalar_multiply"],
        "issue": sum(counts.values()) / machine.issue,
    }


def _planes(element: object, apart: bool) -> int:
    """Planes of an operand that are multiplied one by one."""
    return element.planes if apart and isinstance(element, CodeType) else 1
