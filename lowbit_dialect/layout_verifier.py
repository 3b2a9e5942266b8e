"""What a layout may be: every part of every axis is stored once, in words that hold it."""

from __future__ import annotations

from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.codes import CodeType
from lowbit_dialect.layout import PLANES, Chain, Layout, storage_dtype


def verify_layout(layout: Layout, rank: int, element: Attribute) -> None:
    """Raise VerifyException unless `layout` lays out a tensor of `rank` axes of `element`."""
    leaves = [(t.axis, t.chain) for t in layout.terms]
    if len(set(leaves)) != len(leaves):
        raise VerifyException(f"layout {layout} lists a stored axis twice")
    if any(t.axis is not None and t.axis >= rank for t in layout.terms):
        raise VerifyException(f"layout {layout} names an axis that a tensor of rank {rank} lacks")
    whole: set[tuple[int | None, Chain]] = {(axis, ()) for axis in range(rank)}
    for cut in layout.splits((1,) * rank):
        whole.discard((cut.axis, cut.chain))
        whole |= {(cut.axis, (*cut.chain, (kind, cut.block))) for kind in ("by", "in")}
    _verify_word(layout, element)
    if layout.encoded:
        named, word = layout.table or PLANES, layout.word_term
        if not isinstance(element, CodeType):
            raise VerifyException(f"layout {layout} has {named}, but {element} is not a code type")
        if word is None:
            raise VerifyException(f"layout {layout} packs no axis: one axis needs 'dK by B' alone")
        block = word.chain[-1][1]
        if layout.packed and block > layout.word_width:
            raise VerifyException(f"layout {layout} packs more elements than a word has bits")
        if layout.table:
            _verify_table(layout, element, block)
        whole.discard((word.axis, (*word.chain[:-1], ("in", block))))
        whole.add((None, named.chain))
    if set(leaves) != whole:
        raise VerifyException(f"layout {layout} does not store every part of every axis once")


def _verify_table(layout: Layout, code: CodeType, block: int) -> None:
    """Verify that sums of codes are unsigned, and that a word can hold the largest."""
    if min(code.plane_weights) < 0:
        raise VerifyException(f"layout {layout} sums codes of {code}, which has a negative plane")
    if block > 8 or block * ((1 << code.planes) - 1) >= 1 << layout.word_width:
        raise VerifyException(f"layout {layout} sums more codes than a word can hold")


def _verify_word(layout: Layout, element: Attribute) -> None:
    """Verify that a word can hold what it is to hold."""
    floats = isinstance(element, Float32Type), isinstance(layout.word, Float32Type)
    if floats[0] != floats[1]:
        raise VerifyException(f"layout {layout} stores {element} in words of {layout.word}")
    if layout.encoded or floats[0]:
        return
    bits = 8 * storage_dtype(element).itemsize
    if layout.word_width < bits:
        raise VerifyException(f"layout {layout} stores {element} in words of less than {bits} bits")
