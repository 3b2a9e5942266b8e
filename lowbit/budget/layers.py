"""The layers of a program: their elements, and what the analytic model says that they take."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from autotune.model import Model
from autotune.plan import planned
from autotune.processors import table_of
from autotune.ranking import stored_as
from lowbit.element_types import spelling_of
from lowbit.pipeline import lower
from lowbit.program import Program
from lowbit_dialect.names import title
from lowbit_dialect.ops.linear import LinearOp
from microkernels.target import Target


@dataclass(frozen=True)
class Layer:
    """A `conv2d` or `dense`."""

    name: str
    activation: str
    weight: str
    """Elements."""


def layers_of(program: Program) -> list[Layer]:
    """Those of a program, as it is written."""
    return [
        Layer(title(op), spelling_of(op.contraction.activation), spelling_of(op.contraction.weight))
        for op in _linears(program.module)
    ]


def predicted(program: Program, target: Target) -> list[float]:
    """Seconds of each layer on one core, fused and planned; the same order."""
    return [
        _seconds(op, target) for op in _linears(lower(program.module, str(target), until="graph"))
    ]


def _seconds(op: LinearOp, target: Target) -> float:
    model = Model(op.contraction, target, table_of(target), stored_as(op))
    return model.predict(planned(op, target)).seconds


def _linears(module: ModuleOp) -> list[LinearOp]:
    return [op for op in module.walk() if isinstance(op, LinearOp)]
