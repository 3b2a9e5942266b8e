"""An emitter: the few `llvm`, `arith` and `scf` ops that kernels are made of, one method each.

Every access states its alignment. A vector of one lane is a scalar, so the scalar tier needs no kernels
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from struct import pack, unpack
from typing import cast

from xdsl.dialects import arith, llvm, scf
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    Float32Type,
    IndexType,
    IntegerType,
    UnrealizedConversionCastOp,
    VectorType,
    i1,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from microkernels import llvm_ops
from microkernels.llvm_types import PTR, bits_of, element_type, lanes_of, mangled, vector

INDEX = IndexType()
_MAY_OVERFLOW: llvm_ops.Properties = {"overflowFlags": arith.IntegerOverflowAttr("none")}
_INDEX_ARITHMETIC: dict[str, tuple[type[Operation], llvm_ops.Properties]] = {
    "add": (arith.AddiOp, _MAY_OVERFLOW),
    "sub": (arith.SubiOp, _MAY_OVERFLOW),
    "mul": (arith.MuliOp, _MAY_OVERFLOW),
    "div": (arith.DivSIOp, {}),
    "rem": (arith.RemSIOp, {}),
    "max": (arith.MaxSIOp, {}),
    "min": (arith.MinSIOp, {}),
}


class Emitter:
    """Builds ops before an anchor op; constants are shared and stand before everything that uses them."""

    def __init__(self, anchor: Operation):
        self.anchor = anchor
        self._add = self._add_home
        self._constants: dict[tuple[object, Attribute], SSAValue] = {}
        self._known: dict[tuple[float, int], tuple[SSAValue, Attribute]] = {}
        """By the identity of the type, which is kept alive: hashing one takes ten times as long."""

    def op(self, op: Operation) -> SSAValue:
        """Insert an op and return its first result."""
        self._add(op)
        return next(iter(op.results))  # to index them takes four times as long

    def run(self, op: Operation) -> None:
        """Insert an op without results."""
        self._add(op)

    def _add_home(self, op: Operation) -> None:
        llvm_ops.insert(op, self.anchor)

    def _at_home(self, op: Operation) -> SSAValue:
        """Insert an op before everything that is built and return its result."""
        self._add_home(op)
        return op.results[0]

    # Constants

    def constant(self, value: float, type: Attribute) -> SSAValue:
        """A constant of an integer, float or index type, or the splat of one."""
        found = self._known.get((value, id(type)))
        if found is not None:
            return found[0]
        if isinstance(element_type(type), Float32Type) and not isfinite(value):
            # xDSL prints a dense infinity as its bits, and reads them back as a number.
            (bits,) = unpack("<i", pack("<f", value))
            return self.bitcast(self.constant(bits, vector(lanes_of(type), i32)), type)
        key = (value, type)
        if key not in self._constants:
            self._constants[key] = self._at_home(_constant(value, type))
        self._known[value, id(type)] = self._constants[key], type
        return self._constants[key]

    def constants(self, values: Sequence[int], element: Attribute) -> SSAValue:
        """A vector of integer constants."""
        type = VectorType(element, [len(values)])
        key = (tuple(values), type)
        if key not in self._constants:
            integers = cast("VectorType[IntegerType]", type)
            attr = DenseIntOrFPElementsAttr.from_list(integers, list(values))
            self._constants[key] = self._at_home(llvm.ConstantOp(attr, type))
        return self._constants[key]

    def index(self, value: int) -> SSAValue:
        """An index constant."""
        return self.constant(value, INDEX)

    # Integers and indices

    def binary(self, name: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """`llvm` arithmetic on two values of one type."""
        return self.op(llvm_ops.arithmetic(name, a, b))

    def at(self, name: str, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """Index arithmetic; multiplication by 1 and addition of 0 vanish."""
        if (name, b) in (("mul", 1), ("add", 0), ("sub", 0), ("div", 1)):
            return a
        other = self.index(b) if isinstance(b, int) else b
        kind, properties = _INDEX_ARITHMETIC[name]
        return self.op(llvm_ops.binary(kind, a, other, properties))

    def compare(self, predicate: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """Integer comparison: `i1`, or a vector of it."""
        return self.op(llvm_ops.compare(predicate, a, b))

    def select(self, mask: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
        """Lanes of `yes` where a mask is set, of `no` elsewhere; xDSL's `llvm.select` takes no vectors."""
        lanes = self.constant(lanes_of(yes.type), i32)
        return self.call(f"llvm.vp.select.{mangled(yes.type)}", [mask, yes, no, lanes], yes.type)

    def widen(self, value: SSAValue, element: Attribute, *, signed: bool) -> SSAValue:
        """Extend or truncate the integers of a value to `element`."""
        old, new = bits_of(element_type(value.type)), bits_of(element)
        if old == new:
            return value
        type = vector(lanes_of(value.type), element)
        if new < old:
            return self.op(llvm_ops.unary(llvm.TruncOp, value, type, llvm_ops.TRUNCATION))
        return self.op(llvm_ops.unary(llvm.SExtOp if signed else llvm.ZExtOp, value, type))

    def bitcast(self, value: SSAValue, type: Attribute) -> SSAValue:
        """Reinterpret the bits of a value."""
        return value if value.type == type else self.op(llvm_ops.unary(llvm.BitcastOp, value, type))

    def call(self, name: str, args: Sequence[SSAValue], type: Attribute) -> SSAValue:
        """Call an intrinsic by its mangled name."""
        return self.op(llvm_ops.intrinsic(name, args, type))

    def call_for(
        self, name: str, args: Sequence[SSAValue], types: Sequence[Attribute]
    ) -> list[SSAValue]:
        """Call an intrinsic that returns several values."""
        every = self.call(name, args, llvm_ops.struct(types))
        return [self.op(llvm_ops.member(every, place, type)) for place, type in enumerate(types)]

    def _act(self, name: str, args: Sequence[SSAValue]) -> None:
        """Call an intrinsic that returns nothing."""
        self.run(llvm_ops.intrinsic(name, args, None))

    def intrinsic(self, name: str, *args: SSAValue) -> SSAValue:
        """Call an intrinsic that is overloaded on, and returns, the type of its first argument."""
        return self.call(f"llvm.{name}.{mangled(args[0].type)}", args, args[0].type)

    def pinned(self, value: SSAValue, *, here: bool = True) -> SSAValue:
        """The same value, of which LLVM does not see where it comes from; `here` it is computed."""
        return self.op(llvm_ops.pinned(value, here=here))

    def barrier(self, *values: SSAValue) -> list[SSAValue]:
        """Keep LLVM from moving accesses of memory past here; it is no instruction, on any target.

        Pointers, i32 and vectors (of AArch64) that are given stay what they are, but are computed here.
        """
        general = PTR, i32
        taken = ["=r" if value.type in general else "=w" for value in values]
        constraints = ",".join([*taken, *map(str, range(len(values))), "~{memory}"])
        types = [value.type for value in values]
        result = types if len(types) < 2 else [llvm_ops.struct(types)]
        op = llvm.InlineAsmOp("", constraints, values, result, has_side_effects=True)
        self.run(op)
        if len(types) < 2:
            return list(op.results)
        every = op.results[0]
        return [self.op(llvm_ops.member(every, place, type)) for place, type in enumerate(types)]

    # Vectors

    def splat(self, value: SSAValue, lanes: int) -> SSAValue:
        """One scalar in all lanes."""
        if lanes == 1:
            return value
        type = vector(lanes, value.type)
        undef = self._constants.get(("undef", type))
        if undef is None:
            undef = self._at_home(llvm.UndefOp(type))
            self._constants["undef", type] = undef
        first = self.op(llvm_ops.insert_lane(undef, value, self.constant(0, i32)))
        return self.shuffle(first, [0] * lanes)

    def gathered(self, values: Sequence[SSAValue]) -> SSAValue:
        """Scalars as the lanes of a vector."""
        total = self.first(values[0], len(values))
        for lane, value in enumerate(values[1:], 1):
            total = self.op(llvm_ops.insert_lane(total, value, self.constant(lane, i32)))
        return total

    def first(self, value: SSAValue, lanes: int) -> SSAValue:
        """One scalar in the first lane of a vector that is zero elsewhere."""
        if lanes == 1:
            return value
        zero = self.constant(0, vector(lanes, value.type))
        return self.op(llvm_ops.insert_lane(zero, value, self.constant(0, i32)))

    def shuffle(
        self, value: SSAValue, lanes: Sequence[int], other: SSAValue | None = None
    ) -> SSAValue:
        """Pick lanes of one vector, or of two laid end to end; all of one in order are that vector."""
        if list(lanes) == list(range(lanes_of(value.type))):
            return value
        return self.op(llvm_ops.shuffle(value, other or value, lanes))

    def gather(self, lanes: Sequence[tuple[SSAValue, int]]) -> SSAValue:
        """A vector of lanes of others of its type, of which each shuffle adds those of one."""
        total, *others = dict.fromkeys(source for source, _ in lanes)
        places = [lane if source is total else n for n, (source, lane) in enumerate(lanes)]
        for other in others:
            for n, (source, lane) in enumerate(lanes):
                places[n] = len(lanes) + lane if source is other else places[n]
            total, places = self.shuffle(total, places, other), list(range(len(lanes)))
        return self.shuffle(total, places)

    # Memory

    def pointer(self, memref: SSAValue) -> SSAValue:
        """The address of a memref's first word."""
        cast = memref.owner
        if isinstance(cast, UnrealizedConversionCastOp) and cast.inputs[0].type == PTR:
            return cast.inputs[0]
        return self.op(llvm_ops.unary(UnrealizedConversionCastOp, memref, PTR))

    def offset(self, pointer: SSAValue, amount: SSAValue | int) -> SSAValue:
        """A pointer moved by bytes: a number, or an index value."""
        if amount == 0:
            return pointer
        if isinstance(amount, int):
            # `rawConstantIndices` are of 32 bits, the least of which means that an operand gives the amount
            if abs(amount) < 1 << 31:
                return self.op(llvm_ops.offset(pointer, amount))
            wide = self.constant(amount, i64)
        else:
            wide = self.op(llvm_ops.unary(arith.IndexCastOp, amount, i64))
        return self.op(llvm_ops.offset(pointer, wide))

    def load(self, pointer: SSAValue, type: Attribute, align: int) -> SSAValue:
        """Load a value with the alignment that its address is known to have."""
        return self.op(llvm_ops.load(pointer, type, align))

    def prefetch(self, pointer: SSAValue) -> None:
        """Ask for the cache line at an address, which need not be there."""
        hints = [self.constant(one, i32) for one in (0, 3, 1)]  # to read, keep, data
        self._act("llvm.prefetch.p0", [pointer, *hints])

    def store(self, value: SSAValue, pointer: SSAValue, align: int) -> None:
        """Store a value with the alignment that its address is known to have."""
        self.run(llvm_ops.store(value, pointer, align))

    def load_some(self, pointer: SSAValue, type: Attribute, align: int, lanes: int) -> SSAValue:
        """Load the first `lanes` lanes of a vector and touch nothing behind them; the rest is zero."""
        if lanes >= lanes_of(type):
            return self.load(pointer, type, align)
        return self.load_where(self._mask(lanes_of(type), lanes), pointer, type, align)

    def load_where(
        self, held: SSAValue, pointer: SSAValue, type: Attribute, align: int
    ) -> SSAValue:
        """Load the lanes of a vector that a mask holds and touch nothing else; the rest is zero."""
        args = [pointer, self.constant(align, i32), held, self.constant(0, type)]
        return self.call(f"llvm.masked.load.{mangled(type)}.p0", args, type)

    def store_some(self, value: SSAValue, pointer: SSAValue, align: int, lanes: int) -> None:
        """Store the first `lanes` lanes of a vector and touch nothing behind them."""
        total = lanes_of(value.type)
        if lanes >= total:
            self.store(value, pointer, align)
            return
        if lanes == 1:
            # LLVM 22.1 stores a masked lane that was truncated as wide as it had been before:
            # https://github.com/llvm/llvm-project/issues/179489, for AVX-512 only.
            self.store(self.shuffle(value, [0]), pointer, align)
            return
        args = [value, pointer, self.constant(align, i32), self._mask(total, lanes)]
        self._act(f"llvm.masked.store.{mangled(value.type)}.p0", args)

    def _mask(self, total: int, lanes: int) -> SSAValue:
        return self.constants([1 if lane < lanes else 0 for lane in range(total)], i1)

    # Control

    def loop(
        self,
        low: SSAValue,
        high: SSAValue,
        step: int,
        carried: Sequence[SSAValue],
        body: Callable[[SSAValue, list[SSAValue]], Sequence[SSAValue]],
    ) -> list[SSAValue]:
        """An `scf.for` that carries values; returns their final ones."""
        block = Block(arg_types=[INDEX, *(value.type for value in carried)])
        outer, self._add = self._add, partial(llvm_ops.append, block)
        results = body(block.args[0], list(block.args[1:]))
        self.run(llvm_ops.made(scf.YieldOp, results))
        self._add = outer
        op = scf.ForOp.create(
            operands=[low, high, self.index(step), *carried],
            result_types=[value.type for value in carried],
            regions=[Region(block)],
        )
        self.run(op)
        return list(op.results)


def _constant(value: float, type: Attribute) -> Operation:
    if isinstance(type, IndexType):
        number = llvm_ops.whole_number(int(value), INDEX)
        return llvm_ops.made(arith.ConstantOp, [], [INDEX], {"value": number})
    return llvm_ops.constant(value, type)
