"""Moves of a known number of bytes: filled with a pattern, copied or repeated, and none touched besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xdsl.dialects.builtin import IntegerType, i8
from xdsl.ir import SSAValue

from lowering.loops.index_nest import nest
from microkernels.address import move
from microkernels.emit import Emitter
from microkernels.llvm_types import bits_of, lanes_of, vector

BLOCK = 32
"""Bytes that are moved at a time: a vector of AVX2."""
UNROLLED = 8
"""Blocks up to which a copy is unrolled."""


def constant_bytes(emit: Emitter, data: bytes) -> SSAValue:
    """An integer whose bytes are `data`, in the order of memory."""
    return emit.constant(int.from_bytes(data, "little", signed=True), IntegerType(8 * len(data)))


def powers(size: int, most: int = 8) -> Iterator[tuple[int, int]]:
    """`(offset, size)` of the fewest pieces of 1, 2, 4, ... `most` items that make up `size` of them."""
    offset = 0
    while offset < size:
        piece = min(most, 1 << (size - offset).bit_length() - 1)
        yield offset, piece
        offset += piece


def fill(emit: Emitter, pointer: SSAValue, pattern: bytes) -> None:
    """Store `pattern`, of which all blocks but the last few bytes are alike."""
    block, count = pattern[:BLOCK], 0
    while len(block) == BLOCK and pattern[count * BLOCK :].startswith(block):
        count += 1
    if count:
        value = emit.constants([byte - (byte >> 7 << 8) for byte in block], i8)
        nest(emit, [count], lambda at: emit.store(value, move(emit, pointer, [(at[0], BLOCK)]), 1))
    rest = pattern[count * BLOCK :]
    for offset, size in powers(len(rest)):
        value = constant_bytes(emit, rest[offset : offset + size])
        emit.store(value, emit.offset(pointer, count * BLOCK + offset), 1)


def copy(
    emit: Emitter,
    source: SSAValue,
    target: SSAValue,
    count: int,
    widths: tuple[IntegerType, IntegerType],
    *,
    signed: bool = False,
) -> None:
    """Copy `count` items, from those of one width to those of another; the last vectors may overlap."""
    sizes = bits_of(widths[0]) // 8, bits_of(widths[1]) // 8
    lanes = min(BLOCK // sizes[1], 1 << count.bit_length() - 1)

    def some(first: SSAValue | int) -> None:
        loaded = emit.load(_item(emit, source, first, sizes[0]), vector(lanes, widths[0]), 1)
        wide = emit.widen(loaded, widths[1], signed=signed)
        emit.store(wide, _item(emit, target, first, sizes[1]), 1)

    _in_vectors(emit, count, lanes, some)


def repeat(emit: Emitter, value: SSAValue, target: SSAValue, count: int) -> None:
    """Store one integer `count` times; the last vectors may overlap."""
    size = bits_of(value.type) // 8
    lanes = min(BLOCK // size, 1 << count.bit_length() - 1)
    all = emit.splat(value, lanes)
    _in_vectors(emit, count, lanes, lambda at: emit.store(all, _item(emit, target, at, size), size))


def _in_vectors(
    emit: Emitter, count: int, lanes: int, some: Callable[[SSAValue | int], None]
) -> None:
    """Call `some` with the first of `lanes` items until all of `count` have had their turn."""
    whole = count // lanes
    if whole > UNROLLED:
        nest(emit, [whole], lambda at: some(emit.at("mul", at[0], lanes)))
    else:
        for index in range(whole):
            some(index * lanes)
    if count % lanes:
        some(count - lanes)


def _item(emit: Emitter, pointer: SSAValue, index: SSAValue | int, size: int) -> SSAValue:
    if isinstance(index, int):
        return emit.offset(pointer, index * size)
    return move(emit, pointer, [(index, size)])


def store_lanes(emit: Emitter, value: SSAValue, pointer: SSAValue, count: int) -> None:
    """Store the first `count` lanes of a vector of i32."""
    if count >= lanes_of(value.type):
        emit.store(value, pointer, 4)
        return
    for first, size in powers(count):
        lanes = range(first, first + size)
        piece = emit.shuffle(value, lanes) if size > 1 else lane(emit, value, first)
        emit.store(piece, emit.offset(pointer, 4 * first), 4)


def lane(emit: Emitter, value: SSAValue, index: int) -> SSAValue:
    """One lane of a vector of i32 as a scalar; xDSL has no `llvm.extractelement`."""
    if lanes_of(value.type) == 1:
        return value
    twice = emit.bitcast(emit.shuffle(value, [index, index]), IntegerType(64))
    return emit.widen(twice, IntegerType(32), signed=False)
