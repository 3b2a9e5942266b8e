"""The microkernel interface: a register block of outputs plus-equals packed words.

A kernel says what layouts it reads and emits what hardware decides: loads, products, and the narrow
accumulators that these go into. The reduction loop, the blocking and the tails belong to `block.py`;
thresholds, scales and packing of the result are the epilogue's. A kernel allocates nothing and keeps no
state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, SSAValue

from lowbit_dialect.layout import Layout, Term
from lowbit_dialect.ops.contraction import Contraction
from microkernels.emit import Emitter
from microkernels.instructions import Instructions
from microkernels.isa.verbs import Addresses, Verbs, lacking

Values = tuple[SSAValue, ...]
Word = tuple[SSAValue, SSAValue]
"""Loaded words of activations and of weights that belong together."""


@dataclass(frozen=True)
class Narrow:
    """A narrow accumulator: it takes products for a while, then its sum goes into a wider one."""

    steps: int
    """Words whose products it holds without wrapping."""
    types: tuple[Attribute, ...]
    """What it consists of, each zero at first."""
    fold: Callable[[Emitter, Values, Values, bool], Values]
    """`(emit, wide, narrow, negative)`: the wide accumulator with the narrow sum added or subtracted."""
    doubles: bool = False
    """Whether it may be doubled between pairs of planes, so that it can span all of them."""


class Microkernel(ABC):
    """One kernel: a way to multiply words of activations with words of weights on a target."""

    name: str
    verbs: Verbs
    """What its target can do."""
    lanes: int
    """Output channels of one vector."""
    accumulator: Attribute
    """Element of an accumulator that the epilogue receives."""
    channels_per_word: int = 1
    """Input channels of one word of activations."""
    word_bytes: int = 4
    """Bytes of one word of activations."""
    lanewise: bool = False
    """Whether lanes of activations meet lanes of weights, and not one word all of them."""
    products: str = "multiply"
    """What it sums if its operands are not packed: products, or those of activations with an `offset`."""

    group: int = 1
    """Words that `accumulate` takes at once, at most."""
    together: int = 1
    """Words of activations that `load_inputs` loads at once, at most."""
    in_turns: bool = False
    """Whether the words of a row of taps are taken in turns, by `meet`, `count` and `add`."""
    by_word: bool = False
    """Whether it is one word of all pixels after the other then: registers hold no weights of several."""
    loads_late: bool = False
    """Whether `accumulate` has each word loaded as it comes to it, not all of a group before."""
    pins: bool = False
    """Whether the sums of a pixel are formed before the words of the next are loaded: these take so many
    registers that LLVM, which would load them early, would spill."""
    instead: tuple[str, ...] = ()
    """Kernels that do the same with no more instructions: where one of them is legal, this is no choice."""
    takes_weights: bool = True
    """Whether weights that one instruction needs may be its operand in memory."""
    weighs: bool = False
    """Whether it multiplies products by the weight of their pair of planes, so that pairs share a sum."""

    @abstractmethod
    def accepts(self, work: Contraction, accumulator: Attribute) -> bool:
        """Whether this kernel can form these products exactly."""

    @abstractmethod
    def instructions(self, work: Contraction, row: int = 0) -> Instructions:
        """What it issues for each word of each pixel and vector, where `row` words are unrolled.

        0 is a group; only kernels that take groups of words look at it.
        """

    @abstractmethod
    def input_layout(self, work: Contraction) -> Layout:
        """Layout that activations are read in."""

    @abstractmethod
    def weight_layout(self, work: Contraction, vectors: int) -> Layout:
        """Layout that weights are read in, in blocks of `vectors` vectors of output channels."""

    def channels(self, work: Contraction) -> tuple[int, int]:
        """`(groups, output channels of a group)` as this kernel walks them."""
        return work.groups, work.outputs

    def sums(self, work: Contraction) -> str:
        """What its raw sums are made of, as `products` of `lowbit.corrections` says."""
        return "popcount" if self.input_layout(work).encoded else self.products

    def packs(self, groups: int, outputs: int, block: int) -> bool:
        """Whether results in blocks of so many channels can be written as planes, whole bytes at a time."""
        joined = self.lanes == 4 and "join_masks" in self.verbs.can
        return groups == 1 and (
            self.lanes >= 8 or (joined and (block % 8 == 0 or outputs <= block))
        )

    def in_halves(self, work: Contraction) -> bool:
        """Whether its sums are those of one narrow accumulator of i16, from the first product to the last."""
        return False

    @property
    def addresses(self) -> Addresses:
        """How its loops come to theirs."""
        return self.verbs.addresses

    @property
    def weight_bytes(self) -> int:
        """Bytes of one vector of weights."""
        return self.lanes * self.word_bytes

    def narrows(self, activation: Attribute, weight: Attribute) -> tuple[Narrow, ...]:
        """The narrow accumulators that products of two elements go through, narrowest first."""
        return ()

    @abstractmethod
    def load_input(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        """One word of activations in the form that `product` wants."""

    def load_inputs(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        """Up to `together` words of activations that follow each other."""
        raise lacking(self, "load_inputs")

    def meet(self, emit: Emitter, x: SSAValue, w: SSAValue, *, xor: bool) -> SSAValue:
        """The first of three steps of a product in turns (`reduction/turns.py`): two words together."""
        raise lacking(self, "meet")

    def count(self, emit: Emitter, met: SSAValue) -> SSAValue:
        """What two words that have met add to a sum."""
        raise lacking(self, "count")

    def add(self, emit: Emitter, total: SSAValue, count: SSAValue) -> SSAValue:
        """The narrowest accumulator with that."""
        raise lacking(self, "add")

    @abstractmethod
    def load_weights(self, emit: Emitter, pointer: SSAValue) -> SSAValue:
        """One vector of weight words."""

    def load_two_weights(self, emit: Emitter, pointer: SSAValue) -> list[SSAValue]:
        """Two vectors of weight words that follow each other."""
        raise lacking(self, "load_two_weights")

    @abstractmethod
    def product(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, xor: bool, negative: bool
    ) -> SSAValue:
        """Add the products of two words to the narrowest accumulator.

        They are subtracted if `negative`, which only a kernel without narrow accumulators is asked for.
        """

    def accumulate(
        self, emit: Emitter, total: Values, words: Sequence[Word], *, xor: bool, weight: int
    ) -> Values:
        """Add `weight` times the products of up to `group` words to the narrowest accumulator.

        Here one after the other, and `weight` is 1 or -1, as it is unless a kernel `weighs`.
        """
        (sum,) = total
        for x, w in words:
            sum = self.product(emit, sum, x, w, xor=xor, negative=weight < 0)
        return (sum,)


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


def whole_words(work: Contraction, channels: int) -> bool:
    """Whether input channels cut in words of so many, groups or not, leave no word to two groups."""
    return work.groups == 1 or work.inputs % channels == 0


def table_layout(rank_axes: Sequence[int], axis: int, groups: int, size: int, block: int) -> Layout:
    """Rows of i32 (or f32) for each channel, padded to blocks of `block` channels of a group."""
    outer, inner = block_terms(axis, groups, size, block)
    leading = [Term(other) for other in rank_axes]
    return Layout((*leading, *outer, inner), IntegerType(32))
