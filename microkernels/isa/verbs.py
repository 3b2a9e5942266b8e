"""What kernels ask of vectors and no generic op of LLVM says: verbs, which an architecture emits its way.

Those that a kernel family may need are capabilities, by which `microkernels/table.py` offers kernels; the
others every architecture has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from xdsl.dialects.builtin import i16, i32
from xdsl.ir import SSAValue

from microkernels.emit import Emitter
from microkernels.instructions import Counts

CAPABILITIES = {
    "simd": "there are vectors",
    "vectors": "bits are counted in vectors, not in general registers",
    "words_64": "general registers of 64 bits",
    "scalar_popcount": "ones of a general register in one instruction",
    "popcount_words": "ones of lanes of 32 bits in one instruction",
    "popcount_bytes": "ones of bytes in one instruction",
    "look_up_16": "`look_up` in 16 entries",
    "look_up_64": "`look_up` in 64 entries, and `load_table` where vectors are narrower",
    "ternary": "`ternary`",
    "multiply_add_bytes": "`multiply_add_bytes`",
    "dot_us": "`add_dots` of unsigned by signed bytes",
    "dot_ss": "`add_dots` of signed bytes",
    "dot_uu": "`add_dots` of unsigned bytes",
    "add_pairs": "`sum_bytes`, added to lanes of i16, in one instruction",
    "dot_pairs": "two products of i16 added to a lane of i32 in one instruction, which LLVM selects",
    "broadcast_words": "`broadcast_words`, in one instruction",
    "broadcast_lanes": "`broadcast_lanes`, each in one instruction, and `load_two`",
    "join_masks": "vectors of 4 lanes, two of which make a byte of a packed plane as well as one of 8",
    "multiply_by_lane": "`multiply_words` by one lane of a vector, and the addition, in one instruction",
    "insert_bits": "`load_fours`, `insert_above` and `insert_below`",
    "widen": "lanes of a vector as wider ones in one instruction",
    "join_bytes": "`join_bytes` in fewer instructions than each vector takes by itself",
    "scale_halves": "`scale_halves` in one instruction",
    "round_to_integers": "f32 to i32, half to even, which LLVM makes no call of a library",
    "fma": "a product of f32 added in one instruction",
}
"""Everything that a target may have and another not."""

Addresses = Literal["before", "after", "numbers"]
"""Whether loops carry addresses, the next ones formed before the products or after them, or form them from
numbers. Then LLVM weighs for each loop what to carry: 155 of the 697 million instructions that it takes for
look-ups of C9 in blocks of 5 x 2 by 4 words, and 23 where they are carried. The code takes 0.996 of the time
over ResNet18's layers at 1 x 1, 2 x 1 and 2 x 2 bits (worst 1.01; Zen 3, 2026-11)."""


def lacking(owner: object, method: str) -> NotImplementedError:
    """What is raised where a kernel asks for what its target, or its own kind, does not have."""
    return NotImplementedError(
        f"{type(owner).__name__} has no {method}: no kernel may ask for it here"
    )


class Verbs(ABC):
    """The verbs of a target, and what they cost where targets differ."""

    can: frozenset[str]
    """Those of `CAPABILITIES` that the target has."""
    popcount_bytes: Counts
    """Instructions by which `llvm.ctpop` counts bytes."""
    fold_bytes: Counts
    """Instructions by which `sum_bytes`, `sum_words` and an addition fold bytes into lanes of i32."""
    multiply_pairs: Counts = {"multiply": 1}
    """Instructions of `multiply_add_words`."""
    dots: Counts = {"multiply": 1}
    """Instructions of `add_dots`."""
    split_bytes: Counts = {}
    """Instructions that make of four bytes what `add_dots` multiplies, once for all their products."""
    broadcast: Counts = {"broadcast": 1}
    """Instructions that load one word of 32 bits to all lanes."""
    reorders: bool = False
    """Whether LLVM reorders sums of products that are added, and not of those that are subtracted."""
    addresses: Addresses = "numbers"
    """How loops over products come to theirs."""
    reach: int = 0
    """Bytes from an address that one instruction reaches; 0 where it is all of a tile."""

    def sum_bytes(self, emit: Emitter, values: SSAValue, factor: int = 1) -> SSAValue:
        """`factor` times unsigned bytes, neighbours added in i16; where there are vectors."""
        raise lacking(self, "sum_bytes")

    def add_bytes(self, emit: Emitter, total: SSAValue, values: SSAValue) -> SSAValue:
        """Lanes of i16 with two neighbouring unsigned bytes added to each."""
        return emit.binary("add", total, self.sum_bytes(emit, values))

    def sum_words(self, emit: Emitter, values: SSAValue) -> SSAValue:
        """Words of i16, neighbours added in i32; where there are vectors."""
        raise lacking(self, "sum_words")

    def add_differences(
        self, emit: Emitter, total: SSAValue, bytes: SSAValue, less: SSAValue
    ) -> SSAValue:
        """An i32 with four bytes of one word added, each less one of another that is no greater.

        Where there are no registers of 64 bits.
        """
        raise lacking(self, "add_differences")

    @abstractmethod
    def multiply_add_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        """Products of i16, neighbours added in i32, which wraps for four times -2^15 alone."""

    def add_products(self, emit: Emitter, total: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
        """Lanes of i32 with two neighbouring products of i16 added to each."""
        return emit.binary("add", total, self.multiply_add_words(emit, x, y))

    def multiply_words(self, emit: Emitter, x: SSAValue, y: SSAValue) -> SSAValue:
        """Products of i16 in i32."""
        raise lacking(self, "multiply_words")

    def broadcast_words(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        """Two to four i16 that follow each other, each in all lanes."""
        raise lacking(self, "broadcast_words")

    def broadcast_lanes(self, emit: Emitter, pointer: SSAValue, words: int) -> list[SSAValue]:
        """The same, each where it is wanted: together they take no more than a register until then."""
        raise lacking(self, "broadcast_lanes")

    def load_two(self, emit: Emitter, pointer: SSAValue, lanes: int) -> list[SSAValue]:
        """Two vectors of bytes that follow each other, in one instruction."""
        raise lacking(self, "load_two")

    def load_fours(
        self, emit: Emitter, pointer: SSAValue, lanes: int, together: int = 1
    ) -> list[SSAValue]:
        """Four vectors of 8 or 16 bytes that elements are dealt out to: the first has 0, 4, 8 and so on.

        Two that stay `together` are dealt out as one, so that it has 0, 1, 8, 9 and so on.
        """
        raise lacking(self, "load_fours")

    def insert_above(self, emit: Emitter, low: SSAValue, high: SSAValue, shift: int) -> SSAValue:
        """Bytes of the lowest `shift` bits of `low`, and above them the lowest of `high`."""
        raise lacking(self, "insert_above")

    def insert_below(self, emit: Emitter, high: SSAValue, low: SSAValue, shift: int) -> SSAValue:
        """Bytes of the highest `shift` bits of `high`, and below them the highest of `low`."""
        raise lacking(self, "insert_below")

    def load_table(self, emit: Emitter, pointer: SSAValue, lanes: int) -> SSAValue:
        """A table of 64 bytes as `look_up` takes it, in one instruction; where vectors have fewer `lanes`."""
        raise lacking(self, "load_table")

    def look_up(self, emit: Emitter, table: SSAValue, places: SSAValue, entries: int) -> SSAValue:
        """Bytes at some places of a table; one of 16 entries is repeated in every 128 bits."""
        raise lacking(self, "look_up")

    def ternary(
        self, emit: Emitter, a: SSAValue, b: SSAValue, c: SSAValue, function: int
    ) -> SSAValue:
        """Any function of three bits, in every bit; bit `4 a + 2 b + c` of `function` is its value."""
        raise lacking(self, "ternary")

    def multiply_add_bytes(self, emit: Emitter, unsigned: SSAValue, signed: SSAValue) -> SSAValue:
        """Products of bytes, neighbours added in i16, which saturates."""
        raise lacking(self, "multiply_add_bytes")

    def scale_halves(self, emit: Emitter, x: SSAValue, multiplier: SSAValue) -> SSAValue:
        """`x * multiplier + 2^14 >> 15` of i16, which wraps."""
        wide = [emit.widen(one, i32, signed=True) for one in (x, multiplier)]
        product = emit.binary("mul", *wide)
        raised = emit.binary("add", product, emit.constant(2**14, product.type))
        scaled = emit.binary("ashr", raised, emit.constant(15, product.type))
        return emit.widen(scaled, i16, signed=True)

    def join_bytes(self, emit: Emitter, parts: list[SSAValue], *, signed: bool) -> SSAValue:
        """Up to four vectors of i32, or two of i16, that bytes hold, as one of bytes."""
        raise lacking(self, "join_bytes")

    def add_dots(
        self, emit: Emitter, total: SSAValue, x: SSAValue, w: SSAValue, *, signs: str = "us"
    ) -> SSAValue:
        """Lanes of i32 with four products of bytes added to each.

        `signs` tells which of `x` and `w` have one: "us" for `w` alone, "ss" or "uu".
        """
        raise lacking(self, "add_dots")
