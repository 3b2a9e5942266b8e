"""The microkernel interface: a register block of outputs plus-equals packed words.

A kernel says what layouts it reads and emits the four things that hardware decides: `init`, `load`,
`product` and `widen`. The reduction loop, the blocking and the tails belong to `block.py`; thresholds,
scales and packing of the result are the epilogue's. A kernel allocates nothing and keeps no state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.linear import Contraction
from microkernels.emit import Emitter
from microkernels.target import Target


class Microkernel(ABC):
    """One kernel: a way to multiply words of activations with words of weights on a target."""

    name: str
    lanes: int
    """Output channels of one vector."""
    accumulator: Attribute
    """Element of an accumulator that the epilogue receives."""
    step_limit: int | None = None
    """Products that a narrow accumulator holds before it must be widened; None if it never must."""
    channels_per_word: int = 1
    """Input channels of one word of activations."""
    word_bytes: int = 4
    """Bytes of one word of activations."""

    @abstractmethod
    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        """Whether this kernel can form these products exactly."""

    @abstractmethod
    def cost(self, work: Contraction) -> float:
        """Instructions for one word-step of one output, times word-steps: what the choice compares."""

    @abstractmethod
    def input_layout(self, work: Contraction) -> Layout:
        """Layout that activations are read in."""

    @abstractmethod
    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        """Layout that weights are read in, in blocks of `vectors` vectors of output channels."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of one vector of weights."""
        return self.lanes * self.word_bytes

    @abstractmethod
    def init(self, emit: Emitter) -> SSAValue:
        """A narrow accumulator of zeros."""

    @abstractmethod
    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        """One word of activations in the form that `product` wants."""

    @abstractmethod
    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        """One vector of weight words."""

    @abstractmethod
    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        """Add (or subtract) the products of two words to a narrow accumulator."""

    def widen(self, emit: Emitter, narrow: SSAValue) -> SSAValue:
        """The accumulators of a narrow vector, `lanes` of `accumulator`."""
        return narrow


def block_terms(axis: int, groups: int, size: int, block: int) -> tuple[list[Term], Term]:
    """An axis of `groups * size` channels in blocks that do not straddle groups.

    Returns the outer terms (group if there are several, then block) and the term inside a block.
    """
    if groups == 1:
        return [Term(axis, (("by", block),))], Term(axis, (("in", block),))
    if size == block:
        return [Term(axis, (("by", size),))], Term(axis, (("in", size),))
    within = ("in", size)
    outer = [Term(axis, (("by", size),)), Term(axis, (within, ("by", block)))]
    return outer, Term(axis, (within, ("in", block)))


def table_layout(rank_axes: Sequence[int], axis: int, groups: int, size: int, block: int) -> Layout:
    """Rows of i32 (or f32) for each channel, padded to blocks of `block` channels of a group."""
    outer, inner = block_terms(axis, groups, size, block)
    leading = [Term(other) for other in rank_axes]
    return Layout((*leading, *outer, inner), IntegerType(32))


def supports(target: Target, features: Sequence[str]) -> bool:
    """Whether a target has all of some features."""
    return all(target.has(feature) for feature in features)
