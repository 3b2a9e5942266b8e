"""Layers and programs on a processor that is not there: instructions counted, cycles modelled."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from autotune.ceilings import least_instructions
from lowbit.bench.benchmark import contraction_of, random_inputs
from lowbit.bench.counting import Retired, count
from lowbit.bench.cycles import CycleModel
from lowbit.bench.limits import products_of
from lowbit.bench.profile import Part, calls_of, parts_of
from lowbit.bench.suites import Layer, program_of
from lowbit.checks import CheckFailed
from lowbit.code_generation import Generated, generate
from lowbit.lowered import as_written
from lowbit.pipeline import Added
from lowbit.program import Program
from lowbit_dialect.differences import first_difference, is_exact
from lowbit_dialect.reference import run
from lowbit_dialect.schedule import Schedule
from lowering.lowbit_layers import LowbitLayersPass
from microkernels.target import Target


@dataclass(frozen=True)
class Row:
    """A layer with what it executes."""

    layer: str
    shape: str
    schedule: str
    macs: int
    """Multiply-adds on taps inside the image; 0 where nothing is multiplied."""
    instructions: int
    """All that are executed, counted: packing, loops and stores too."""
    least: float
    """The instructions that its products cost at least, by the cheapest family of kernels."""
    family: str
    outside: int
    """Instructions in blocks that form no products."""
    spilling: float
    """The largest part of a block of code that accesses the stack, of those that matter."""
    cycles: float | None
    """Modelled; None without a model."""

    @property
    def over_least(self) -> float | None:
        """Instructions over the least."""
        return self.instructions / self.least if self.least else None

    @property
    def cycles_over_least(self) -> float | None:
        """Modelled cycles over the least instructions."""
        return self.cycles / self.least if self.least and self.cycles is not None else None


@dataclass(frozen=True)
class Modelled:
    """How layers are counted."""

    target: Target
    schedule: str | Schedule = "default"
    check: bool = True
    """Compare with the reference."""
    cycles: CycleModel | None = None
    seed: int = 0

    def layer(self, layer: Layer, activation: str, weight: str) -> Row:
        """A layer on random data that come a byte an element, its weights packed ahead."""
        program = program_of(layer, activation, weight, ("w",))
        code = generate(program, self.target, self.schedule)
        ((_, schedule),) = code.schedules
        work = contraction_of(program)
        told = layer.name, f"{layer.shape} {activation} x {weight}", str(schedule), work.macs
        least = least_instructions(self.target, products_of(work))
        return self._row(told, least, self._count(program, code))

    def program(self, program: Program) -> tuple[Row, ...]:
        """The layers of a program on random data, in order, then the whole."""
        parts, functions = list[Part](), list[str]()

        def watch(stage: str, module: ModuleOp) -> None:
            if stage == "buffers":
                parts.extend(parts_of(module, program.name))
                functions.extend(calls_of(module, program.name))

        added: Added = {"buffers": (LowbitLayersPass(),)}
        code = generate(as_written(program), self.target, self.schedule, added=added, watch=watch)
        retired = self._count(program, code)
        rows = [self._part(one, retired.of(name)) for one, name in zip(parts, functions)]
        told = "whole", "", "", sum(row.macs for row in rows)
        return *rows, self._row(told, (sum(row.least for row in rows), ""), retired)

    def _part(self, part: Part, retired: Retired) -> Row:
        products = part.work.products
        least = least_instructions(self.target, products) if products else (0.0, "")
        return self._row(
            (part.layer, f"{part.op} {part.shape}", part.schedule, part.macs), least, retired
        )

    def _row(
        self, told: tuple[str, str, str, int], least: tuple[float, str], retired: Retired
    ) -> Row:
        cycles = None if self.cycles is None else self.cycles.cycles(retired)
        outside = retired.instructions - retired.core
        return Row(*told, retired.instructions, *least, outside, retired.spilling, cycles)

    def _count(self, program: Program, code: Generated) -> Retired:
        """What a call on random data executes; raises `CheckFailed` where the results are wrong."""
        arrays = dict(zip(program.argument_names, random_inputs(program, self.seed)))
        retired, results = count(code, arrays)
        if self.check:
            wanted = run(program.module, *arrays.values(), function=program.name)
            for got, want in zip(results, wanted):
                if wrong := first_difference(got, want, is_exact(program.module)):
                    raise CheckFailed(f"on {self.target}: {wrong}")
        return retired
