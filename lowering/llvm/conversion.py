"""What the conversions to llvm share: one walk over the ops, and casts at the seams.

A value of a converted type (`index`, a memref, a vector of `index`) meets a pass in one of two
ways. As an operand it is looked at through an `unrealized_conversion_cast` where one stands, and
cast once, behind its definition, where none does. As a result it takes over, at the end of the walk,
the uses of casts to its new type, and is cast back for what the pass has not converted. So every
pass leaves valid IR when it runs alone, and in a pipeline no cast outlives the pass that converts
its other side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from xdsl.context import Context
from xdsl.dialects.arith import ConstantOp as ArithConstantOp
from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    ModuleOp,
    UnrealizedConversionCastOp,
    VectorType,
)
from xdsl.dialects.llvm import ConstantOp
from xdsl.ir import Attribute, Block, Dialect, Operation, OpResult, SSAValue, SSAValues
from xdsl.passes import ModulePass

from lowering.llvm.type_conversion import llvm_type, refusal
from microkernels.llvm_ops import insert

_CONVERTED = frozenset((IndexType, MemRefType, VectorType))


def _cast_source(value: SSAValue) -> SSAValue | None:
    """Return what `value` is cast from, one to one, or None."""
    owner = value.owner
    if type(owner) is not UnrealizedConversionCastOp or len(owner.operands) != 1:
        return None
    return owner.operands[0]


def constant_value(value: SSAValue) -> int | None:
    """Return the integer that `value` is known to be, through casts, or None."""
    owner = (_cast_source(value) or value).owner
    if type(owner) is not ArithConstantOp and type(owner) is not ConstantOp:
        return None
    attribute = owner.properties["value"]
    return attribute.value.data if isinstance(attribute, IntegerAttr) else None


def _insert_behind(op: Operation, value: SSAValue) -> None:
    owner = value.owner
    if isinstance(owner, Operation):
        assert owner.parent is not None
        owner.parent.insert_op_after(op, owner)
    elif owner.first_op is None:
        owner.add_op(op)
    else:
        owner.insert_op_before(op, owner.first_op)


@dataclass(frozen=True)
class Base:
    """A memref as its accesses see it."""

    pointer: SSAValue
    """The address of the first element."""

    element: Attribute
    """The llvm type of an element."""

    strides: tuple[int, ...]
    """The distance in elements from one index to the next, by dimension."""

    row: Attribute | None
    """For the identity layout: the type, of nested arrays, that an outermost index steps over."""


class Conversion:
    """The state of one walk: the op being converted, and the casts made so far."""

    def __init__(self, index_bitwidth: int) -> None:
        self.index = IntegerType(index_bitwidth)
        self._casts: dict[SSAValue, SSAValue] = {}
        self._renewed: dict[SSAValue, SSAValue] = {}
        self._folded: dict[SSAValue, SSAValue] = {}
        self._dead: list[Operation] = []
        # By identity, each type kept alive beside its answer: hashing a type takes longer.
        self._types: dict[int, tuple[Attribute, Attribute]] = {}
        self._op: Operation | None = None
        self.bases: dict[SSAValue, Base] = {}

    def at(self, op: Operation) -> None:
        """Make `emit` insert before `op`."""
        self._op = op

    def emit(self, op: Operation) -> SSAValue:
        """Insert `op`, which has one result, before the op being converted; return the result."""
        self.insert(op)
        return op.results[0]

    def insert(self, op: Operation) -> None:
        """Insert `op` before the op being converted."""
        assert self._op is not None
        insert(op, self._op)

    def llvm_type(self, type_: Attribute, op: Operation | None = None) -> Attribute:
        """Return the llvm type of `type_`; refuse, in the name of an op, a type that has none."""
        known = self._types.get(id(type_))
        if known is None:
            op = op or self._op
            assert op is not None
            known = self._types[id(type_)] = (type_, llvm_type(type_, op, self.index))
        return known[1]

    def operand(self, value: SSAValue) -> SSAValue:
        """Return `value` in its llvm type."""
        kind = type(value.type)
        if kind not in _CONVERTED:
            return value
        new_type = self.index if kind is IndexType else self.llvm_type(value.type)
        if new_type is value.type:
            return value
        if value in self._renewed:
            return self._renewed[value]
        source = _cast_source(value)
        if source is not None and source.type == new_type:
            return source
        if value not in self._casts:
            self._casts[value] = _cast_behind(value, new_type)
        return self._casts[value]

    def operands(self, op: Operation) -> list[SSAValue]:
        """Return the operands of `op` in their llvm types."""
        return [self.operand(value) for value in op.operands]

    def become(
        self,
        op: Operation,
        kind: type[Operation],
        operands: Sequence[SSAValue],
        properties: Mapping[str, Attribute],
    ) -> None:
        """Turn `op` into an op of another class where it stands, its results in their llvm types.

        Where the results keep their types their uses are not touched; building the other op, moving
        the uses and erasing this one takes several times as long, and is most of a lowering.
        """
        for result in op.results:
            new_type = self.llvm_type(result.type)
            if new_type is not result.type:
                new = OpResult(new_type, op, result.index)
                op.results = SSAValues(new if old is result else old for old in op.results)
                self._renew(result, new)
        # Values compare by identity. Setting operands rewrites the uses of all of them.
        if tuple(operands) != tuple(op.operands):
            op.operands = operands
        op.__class__ = kind
        op.properties = dict(properties)
        op.attributes = {}

    def replace(self, op: Operation, *values: SSAValue) -> None:
        """Erase `op`, whose results become `values`."""
        for result, value in zip(op.results, values, strict=True):
            self._renew(result, value)
        self._dead.append(op)

    def _renew(self, old: SSAValue, new: SSAValue) -> None:
        """Make `old` be `new` in what is converted later; `finish` sees to the other uses."""
        if old.type == new.type:
            old.replace_all_uses_with(new)
            return
        if new.name_hint is None:
            new.name_hint = old.name_hint
        self._renewed[old] = new

    def finish(self) -> None:
        """Give the uses left of old values to the new ones, and erase what was replaced."""
        for op in self._dead:
            op.operands = ()
        for old, new in self._renewed.items():
            self._give_uses(old, new)
        for op in self._dead:
            assert op.parent is not None
            op.parent.erase_op(op)

    def _give_uses(self, old: SSAValue, new: SSAValue) -> None:
        """Give the uses of `old` to `new`, by a cast where they still want the type of `old`."""
        new = self._folded.get(new, new)
        for use in tuple(old.uses):
            cast = use.operation
            if type(cast) is UnrealizedConversionCastOp and cast.result_types == (new.type,):
                self._folded[cast.results[0]] = new
                cast.results[0].replace_all_uses_with(new)
                assert cast.parent is not None
                cast.parent.erase_op(cast)
        if old.first_use is not None:
            old.replace_all_uses_with(_cast_behind(new, old.type))

    def retype_arguments(self, block: Block, op: Operation, kinds: tuple[type, ...]) -> None:
        """Give the arguments of `block` whose type is one of `kinds` their llvm types."""
        for argument in block.args:
            if not isinstance(argument.type, kinds):
                continue
            new_type = self.llvm_type(argument.type, op)
            if new_type == argument.type:
                continue
            new = block.insert_arg(new_type, argument.index)
            new.name_hint = argument.name_hint
            self._give_uses(argument, new)
            block.erase_arg(argument)


def _cast_behind(value: SSAValue, type_: Attribute) -> SSAValue:
    cast = UnrealizedConversionCastOp.create(operands=[value], result_types=[type_])
    cast.results[0].name_hint = value.name_hint
    _insert_behind(cast, value)
    return cast.results[0]


def ops_below(op: Operation) -> list[Operation]:
    """Return the ops in the regions of `op`, in order; `walk` takes three times as long."""
    found: list[Operation] = []
    for region in op.regions:
        for block in region.blocks:
            inner = block.first_op
            while inner is not None:
                found.append(inner)
                if inner.regions:
                    found += ops_below(inner)
                inner = inner._next_op  # pyright: ignore[reportPrivateUsage]
    return found


Rule: TypeAlias = Callable[[Any, Conversion], None]
"""Replace the op, which the conversion stands at, by llvm ops."""


@dataclass(frozen=True)
class ConversionPass(ModulePass):
    """Convert every op of one dialect, in one walk, by its rule; refuse an op that has none."""

    index_bitwidth: int = 64
    """Bits of `index`, which are those of a pointer."""

    dialect: ClassVar[Dialect]
    rules: ClassVar[Mapping[type[Operation], Rule]]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Convert what stands in `op`."""
        operations = frozenset(self.dialect.operations)
        conversion = Conversion(self.index_bitwidth)
        for below in ops_below(op):
            if type(below) not in operations:
                continue
            if (rule := self.rules.get(type(below))) is None:
                raise refusal(below, "has no lowering to the llvm dialect")
            conversion.at(below)
            rule(below, conversion)
        conversion.finish()
