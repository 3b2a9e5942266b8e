"""What a search for bits found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lowbit.program import Program
from lowbit.shown import html_table

HEAD = ("layer", "activation", "weights", "us", "us given", "loss of activation", "loss of weights")


@dataclass(frozen=True)
class Tried:
    """Bits that were measured."""

    name: str
    bits: Mapping[int, int]
    """Of quantisers, by their places among the nodes of the model."""
    seconds: float
    """Of all layers, by the model."""
    right: int
    count: int
    """Inputs, and how many of them are right."""
    loss: float
    """The mean cross entropy, in nats."""

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return self.right / self.count

    def keeps(self, given: Tried, budget: float) -> bool:
        """Whether no more than a budget is lost of what was right as given."""
        return given.right - self.right <= budget * self.count

    def __str__(self) -> str:
        return f"{self.seconds * 1e6:8.2f} us  {self.accuracy:7.2%}  {self.name}"


@dataclass(frozen=True)
class LayerBits:
    """A layer with its bits: of its activation and of its weights, -1 for what has no quantiser."""

    layer: str
    given: tuple[int, int]
    chosen: tuple[int, int]
    seconds: tuple[float, float]
    """As given and as chosen, by the model."""
    losses: tuple[float, float]
    """Nats that are lost if the activation alone, or the weights alone, have the fewest bits offered."""

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row below `HEAD`."""
        bits = (
            "-" if b < 0 else str(b) if a == b else f"{b} -> {a}"
            for a, b in zip(self.chosen, self.given)
        )
        before, after = (f"{one * 1e6:.2f}" for one in self.seconds)
        return (self.layer, *bits, after, before, *(f"{one:.4f}" for one in self.losses))


@dataclass(frozen=True)
class Precise:
    """A program with the bits that were found, and all that was measured."""

    program: Program
    budget: float
    given: Tried
    chosen: Tried
    tried: tuple[Tried, ...] = field(repr=False)
    """Of the best choices, those that were measured."""
    uniform: tuple[Tried, ...] = field(repr=False)
    """The fastest uniform bits, to the first within the budget, if one is faster than what was given."""
    layers: tuple[LayerBits, ...] = field(repr=False)

    @property
    def best_uniform(self) -> Tried | None:
        """The fastest uniform choice within the budget."""
        return next((one for one in self.uniform if one.keeps(self.given, self.budget)), None)

    @property
    def gain(self) -> float:
        """How many times as fast the choice is as what was given, by the model."""
        return self.given.seconds / self.chosen.seconds if self.chosen.seconds else 1.0

    def to_json(self) -> dict[str, Any]:
        """Everything but the program."""
        told = {
            name: asdict(one) if one else None
            for name, one in (
                ("given", self.given),
                ("chosen", self.chosen),
                ("best_uniform", self.best_uniform),
            )
        }
        lists = {
            name: [asdict(one) for one in getattr(self, name)]
            for name in ("layers", "tried", "uniform")
        }
        return {"budget": self.budget, **told, **lists}

    def __str__(self) -> str:
        rows = [HEAD, *(one.cells for one in self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        listed = map(
            str, sorted((self.given, *self.tried, *self.uniform), key=lambda one: one.seconds)
        )
        return "\n".join([*lines, "", "predicted   right", *listed, "", self.summary()])

    def summary(self) -> str:
        """The result in a sentence."""
        uniform = self.best_uniform
        beside = (
            f"; the best uniform bits within it, {uniform.name}, {uniform.seconds * 1e6:.2f} us"
            if uniform
            else "; no uniform bits are faster within it"
        )
        return (
            f"{self.chosen.seconds * 1e6:.2f} us predicted instead of {self.given.seconds * 1e6:.2f} "
            f"({self.gain:.2f} times as fast), {self.chosen.right} of {self.chosen.count} right instead of "
            f"{self.given.right}, budget {self.budget:.2%}{beside}"
        )

    def _repr_html_(self) -> str:
        whole = (self.summary(), *[""] * (len(HEAD) - 1))
        return html_table(HEAD, [*(one.cells for one in self.layers), whole])
