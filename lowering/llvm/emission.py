"""Short constructors of llvm ops.

They go through `Operation.create`, which takes operands as they are: a third of the time of the
declared constructors, and most of the time of a lowering is building ops.
"""

from collections.abc import Mapping, Sequence

from typing_extensions import TypeIs
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    VectorType,
    i1,
    i32,
    i64,
)
from xdsl.dialects.llvm import (
    CallIntrinsicOp,
    ConstantOp,
    FastMathAttr,
    ICmpOp,
    LLVMPointerType,
    SelectOp,
    ShuffleVectorOp,
)
from xdsl.ir import Attribute, Operation, SSAValue

_NO_FLAGS = FastMathAttr(None)
FAST_MATH_OFF: Mapping[str, Attribute] = {"fastmathFlags": _NO_FLAGS}
"""The properties of a float operation that promises nothing."""

_NO_BUNDLES = DenseArrayBase.from_list(i32, ())
_SEGMENTS = tuple(DenseArrayBase.from_list(i32, (count, 0)) for count in range(5))
_ALIGNMENTS = {1 << shift: IntegerAttr(1 << shift, i64) for shift in range(13)}
_NOT_ATOMIC = IntegerAttr(0, i64)
_PREDICATES = {
    name: IntegerAttr(code, i64)
    for code, name in enumerate(
        ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
    )
}


def is_integer(type_: Attribute) -> TypeIs[IntegerType]:
    """Tell whether `type_` is an integer type."""
    return isinstance(type_, IntegerType)


def is_vector(type_: Attribute) -> TypeIs[VectorType[Attribute]]:
    """Tell whether `type_` is a vector type."""
    return isinstance(type_, VectorType)


def element_type(type_: Attribute) -> Attribute:
    """Return the element type of a vector, any other type as it is."""
    return type_.element_type if is_vector(type_) else type_


def with_element(type_: Attribute, element: Attribute) -> Attribute:
    """Return `element`, as a vector of the shape of `type_` where that is a vector."""
    return VectorType(element, type_.shape) if is_vector(type_) else element


def lanes(type_: Attribute) -> int:
    """Return the number of elements of a 1-D vector type; 1 for any other type."""
    return type_.get_shape()[0] if is_vector(type_) else 1


def mangle(type_: Attribute) -> str:
    """Return the suffix by which LLVM names an overload at this type: `i32`, `v4f32`, `p0`."""
    if is_vector(type_):
        return f"v{lanes(type_)}{mangle(type_.element_type)}"
    return "p0" if isinstance(type_, LLVMPointerType) else str(type_)


def unary(
    kind: type[Operation],
    value: SSAValue,
    result_type: Attribute,
    properties: Mapping[str, Attribute] | None = None,
) -> Operation:
    """Build an op of one operand: a cast, a negation."""
    return kind.create(operands=[value], result_types=[result_type], properties=properties or {})


def binary(
    kind: type[Operation],
    lhs: SSAValue,
    rhs: SSAValue,
    properties: Mapping[str, Attribute] | None = None,
) -> Operation:
    """Build an op of two operands whose result has their type."""
    return kind.create(operands=[lhs, rhs], result_types=[lhs.type], properties=properties or {})


def compare(predicate: str, lhs: SSAValue, rhs: SSAValue) -> Operation:
    """Build an integer comparison, `predicate` being spelled as in `llvm.icmp`."""
    return ICmpOp.create(
        operands=[lhs, rhs],
        result_types=[with_element(lhs.type, i1)],
        properties={"predicate": _PREDICATES[predicate]},
    )


def call(name: str, count: int) -> dict[str, Attribute]:
    """Return the properties that call the intrinsic of this mangled name on `count` values."""
    return {
        "intrin": StringAttr(name),
        "fastmathFlags": _NO_FLAGS,
        "op_bundle_sizes": _NO_BUNDLES,
        "operandSegmentSizes": _SEGMENTS[count],
    }


def intrinsic(name: str, arguments: Sequence[SSAValue], result_type: Attribute) -> Operation:
    """Build a call of the intrinsic of this full, mangled name."""
    return CallIntrinsicOp.create(
        operands=arguments,
        result_types=[result_type],
        properties=call(name, len(arguments)),
    )


def constant(value: float, type_: Attribute) -> Operation:
    """Build `value` as a constant of a type, splat over a vector; integers wrap."""
    scalar = element_type(type_)
    shape = type_.get_shape() if is_vector(type_) else None
    if is_integer(scalar):
        attribute = _integer_attribute(int(value), scalar, shape)
    else:
        assert isinstance(scalar, AnyFloat)
        attribute = _float_attribute(value, scalar, shape)
    return constant_attribute(attribute, type_)


def _integer_attribute(value: int, scalar: IntegerType, shape: tuple[int, ...] | None) -> Attribute:
    single = IntegerAttr(value, scalar, truncate_bits=True)
    if shape is None:
        return single
    return DenseIntOrFPElementsAttr.from_list(VectorType(scalar, shape), [single.value.data])


def _float_attribute(value: float, scalar: AnyFloat, shape: tuple[int, ...] | None) -> Attribute:
    if shape is None:
        return FloatAttr(value, scalar)
    return DenseIntOrFPElementsAttr.from_list(VectorType(scalar, shape), [value])


def without_index(attribute: DenseIntOrFPElementsAttr) -> DenseIntOrFPElementsAttr:
    """Return `attribute` with elements of i64 where it has `index`; both take 8 bytes."""
    if not isinstance(attribute.get_element_type(), IndexType):
        return attribute
    type_ = VectorType(i64, attribute.get_shape())
    return DenseIntOrFPElementsAttr(type_, attribute.data)


def constant_attribute(attribute: Attribute, type_: Attribute) -> Operation:
    """Build a constant of a type from an attribute of that type."""
    return ConstantOp.create(result_types=[type_], properties={"value": attribute})


def shuffle(lhs: SSAValue, rhs: SSAValue, mask: Sequence[int]) -> Operation:
    """Build the vector of the lanes `mask` of `lhs` and `rhs`, counted through both."""
    return ShuffleVectorOp.create(
        operands=[lhs, rhs],
        result_types=[VectorType(element_type(lhs.type), [len(mask)])],
        properties={"mask": DenseArrayBase.from_list(i32, mask)},
    )


def select(condition: SSAValue, lhs: SSAValue, rhs: SSAValue) -> Operation:
    """Build a selection by one bit: `condition` is an `i1`, the values have any type."""
    return SelectOp.create(
        operands=[condition, lhs, rhs],
        result_types=[lhs.type],
        properties={"fastmathFlags": _NO_FLAGS},
    )


def access(alignment: int) -> dict[str, Attribute]:
    """Return the properties of a load or store at a multiple of `alignment` bytes."""
    attribute = _ALIGNMENTS.get(alignment) or IntegerAttr(alignment, i64)
    return {"ordering": _NOT_ATOMIC, "alignment": attribute}
