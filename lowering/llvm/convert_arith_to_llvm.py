"""Convert arith to llvm, `index` becoming an integer as wide as a pointer.

Needs scalars or 1-D vectors; leaves llvm ops, and casts where an `index` meets another dialect.
Signedness is the op's, as in arith. Conversions of floats to integers saturate, and send NaN to 0.

What the llvm dialect cannot say is said by intrinsics: minima and maxima, saturating `fptosi` and
`fptoui`, and, by LLVM's predicated form, a selection by a vector of bits and `uitofp` of vectors.
Both come out of instruction selection as the plain instruction, on x86-64, AArch64 and ARMv7.

```
%2 = arith.addi %0, %1 : index          %2 = llvm.add %0, %1 : i64
%3 = arith.maxsi %4, %5 : i32     -->   %3 = llvm.call_intrinsic "llvm.smax.i32"(%4, %5)
%6 = arith.floordivsi %7, %8 : i32      (division, remainder test, correction)
```
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    VectorType,
    i1,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue

from lowering.llvm.conversion import Conversion, ConversionPass, Rule
from lowering.llvm.expand_division import (
    Expansion,
    ceil_signed,
    ceil_unsigned,
    floor_signed,
)
from lowering.llvm.type_conversion import refusal
from microkernels import llvm_ops as emit
from microkernels.llvm_types import (
    element_type,
    is_integer,
    is_vector,
    lanes_of,
    mangled,
    with_element,
)

_ALWAYS_FALSE, _ALWAYS_TRUE = 0, 15

# Written where it is 0 too: the parser of these ops gives it to all of them.
_OVERFLOW = [{"overflowFlags": IntegerAttr(code, i32)} for code in range(4)]


def _width(type_: Attribute) -> int:
    scalar = element_type(type_)
    assert is_integer(scalar)
    return scalar.width.data


def _fast_math(op: Operation) -> Mapping[str, Attribute]:
    flags = op.properties.get("fastmath")
    if not isinstance(flags, arith.FastMathFlagsAttr) or not flags.data:
        return emit.FAST_MATH_OFF
    return {"fastmathFlags": llvm.FastMathAttr(flags.data)}


def _constant(op: arith.ConstantOp, conversion: Conversion) -> None:
    value = op.value
    if isinstance(value, IntegerAttr):
        new = value
        if isinstance(value.type, IndexType):
            new = emit.whole_number(value.value.data, conversion.index)
    elif isinstance(value, DenseIntOrFPElementsAttr):
        new = emit.without_index(value, conversion.index)
    elif isinstance(value, FloatAttr):
        new = value
    else:
        raise refusal(op, "a resource has no bytes here; use a dense or a scalar attribute")
    conversion.become(op, llvm.ConstantOp, (), {"value": new})


def _binary(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        conversion.become(op, kind, conversion.operands(op), {})

    return rule


def _binary_with_overflow(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        flags = op.properties.get("overflowFlags")
        given = flags.data if isinstance(flags, arith.IntegerOverflowAttr) else ()
        code = sum({"nsw": 1, "nuw": 2}[flag] for flag in given)
        conversion.become(op, kind, conversion.operands(op), _OVERFLOW[code])

    return rule


def _with_fast_math(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        conversion.become(op, kind, conversion.operands(op), _fast_math(op))

    return rule


def _intrinsic(name: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        operands = conversion.operands(op)
        full = f"llvm.{name}.{mangled(operands[0].type)}"
        conversion.become(op, llvm.CallIntrinsicOp, operands, emit.call(full, 2))

    return rule


def _cmpi(op: arith.CmpiOp, conversion: Conversion) -> None:
    # arith and llvm number the predicates alike.
    properties = {"predicate": op.properties["predicate"]}
    conversion.become(op, llvm.ICmpOp, conversion.operands(op), properties)


def _cmpf(op: arith.CmpfOp, conversion: Conversion) -> None:
    if isinstance(op.lhs.type, VectorType):
        raise refusal(op, "llvm.fcmp takes scalars only; compare lane by lane")
    # xDSL's translation knows neither of the predicates that do not look at their operands.
    if (predicate := op.predicate.value.data) in (_ALWAYS_FALSE, _ALWAYS_TRUE):
        conversion.replace(op, conversion.emit(emit.constant(predicate == _ALWAYS_TRUE, i1)))
        return
    properties = {"predicate": op.properties["predicate"], **_fast_math(op)}
    conversion.become(op, llvm.FCmpOp, conversion.operands(op), properties)


def _select(op: arith.SelectOp, conversion: Conversion) -> None:
    condition, lhs, rhs = conversion.operands(op)
    if not isinstance(condition.type, VectorType):
        conversion.become(op, llvm.SelectOp, [condition, lhs, rhs], emit.FAST_MATH_OFF)
        return
    count = conversion.emit(emit.constant(lanes_of(lhs.type), i32))
    name = f"llvm.vp.select.{mangled(lhs.type)}"
    operands = [condition, lhs, rhs, count]
    conversion.become(op, llvm.CallIntrinsicOp, operands, emit.call(name, 4))


def _cast(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        (operand,) = conversion.operands(op)
        if operand.type == conversion.llvm_type(op.results[0].type):
            conversion.replace(op, operand)
            return
        conversion.become(op, kind, [operand], emit.TRUNCATION if kind is llvm.TruncOp else {})

    return rule


def _index_cast(extension: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        (operand,) = conversion.operands(op)
        growth = _width(conversion.llvm_type(op.results[0].type)) - _width(operand.type)
        if growth == 0:
            conversion.replace(op, operand)
            return
        kind = extension if growth > 0 else llvm.TruncOp
        conversion.become(op, kind, [operand], emit.TRUNCATION if kind is llvm.TruncOp else {})

    return rule


def _saturating(name: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        (operand,) = conversion.operands(op)
        type_ = op.results[0].type
        full = f"llvm.{name}.sat.{mangled(type_)}.{mangled(operand.type)}"
        conversion.become(op, llvm.CallIntrinsicOp, [operand], emit.call(full, 1))

    return rule


def _uitofp(op: arith.UIToFPOp, conversion: Conversion) -> None:
    type_ = conversion.llvm_type(op.result.type)
    (operand,) = op.operands
    if is_vector(operand.type):
        mask = conversion.emit(emit.constant(1, with_element(operand.type, i1)))
        count = conversion.emit(emit.constant(lanes_of(type_), i32))
        name = f"llvm.vp.uitofp.{mangled(type_)}.{mangled(operand.type)}"
        conversion.become(op, llvm.CallIntrinsicOp, [operand, mask, count], emit.call(name, 3))
    elif _width(operand.type) < 64:
        wide = conversion.emit(emit.unary(llvm.ZExtOp, operand, i64))
        conversion.become(op, llvm.SIToFPOp, [wide], {})
    else:
        conversion.replace(op, _uitofp_by_halves(operand, type_, conversion))


def _uitofp_by_halves(value: SSAValue, type_: Attribute, conversion: Conversion) -> SSAValue:
    """Convert an integer whose top bit may be set by doubling the conversion of its half.

    The bit shifted out is kept as the lowest (it can only break a tie), so that rounding is right.
    """
    one = conversion.emit(emit.constant(1, value.type))
    zero = conversion.emit(emit.constant(0, value.type))
    shifted = conversion.emit(emit.binary(llvm.LShrOp, value, one))
    lowest = conversion.emit(emit.binary(llvm.AndOp, value, one))
    half = conversion.emit(emit.binary(llvm.OrOp, shifted, lowest))
    half = conversion.emit(emit.unary(llvm.SIToFPOp, half, type_))
    doubled = conversion.emit(emit.binary(llvm.FAddOp, half, half, emit.FAST_MATH_OFF))
    direct = conversion.emit(emit.unary(llvm.SIToFPOp, value, type_))
    negative = conversion.emit(emit.compare("slt", value, zero))
    return conversion.emit(emit.select(negative, doubled, direct))


def _addui_extended(op: arith.AddUIExtendedOp, conversion: Conversion) -> None:
    lhs, rhs = conversion.operands(op)
    total = conversion.emit(emit.binary(llvm.AddOp, lhs, rhs))
    conversion.replace(op, total, conversion.emit(emit.compare("ult", total, lhs)))


def _mul_extended(extension: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        operands = conversion.operands(op)
        type_, width = operands[0].type, _width(operands[0].type)
        wide = conversion.llvm_type(with_element(type_, IntegerType(2 * width)))
        lhs, rhs = (conversion.emit(emit.unary(extension, value, wide)) for value in operands)
        product = conversion.emit(emit.binary(llvm.MulOp, lhs, rhs))
        shift = conversion.emit(emit.constant(width, wide))
        upper = conversion.emit(emit.binary(llvm.LShrOp, product, shift))
        low = conversion.emit(emit.unary(llvm.TruncOp, product, type_))
        conversion.replace(op, low, conversion.emit(emit.unary(llvm.TruncOp, upper, type_)))

    return rule


def _expand(expansion: Expansion) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        lhs, rhs = conversion.operands(op)
        conversion.replace(op, expansion(lhs, rhs, conversion.emit))

    return rule


_RULES: dict[type[Operation], Rule] = {
    arith.ConstantOp: _constant,
    arith.AddiOp: _binary_with_overflow(llvm.AddOp),
    arith.SubiOp: _binary_with_overflow(llvm.SubOp),
    arith.MuliOp: _binary_with_overflow(llvm.MulOp),
    arith.ShLIOp: _binary_with_overflow(llvm.ShlOp),
    arith.ShRUIOp: _binary(llvm.LShrOp),
    arith.ShRSIOp: _binary(llvm.AShrOp),
    arith.AndIOp: _binary(llvm.AndOp),
    arith.OrIOp: _binary(llvm.OrOp),
    arith.XOrIOp: _binary(llvm.XOrOp),
    arith.DivUIOp: _binary(llvm.UDivOp),
    arith.DivSIOp: _binary(llvm.SDivOp),
    arith.RemUIOp: _binary(llvm.URemOp),
    arith.RemSIOp: _binary(llvm.SRemOp),
    arith.FloorDivSIOp: _expand(floor_signed),
    arith.CeilDivSIOp: _expand(ceil_signed),
    arith.CeilDivUIOp: _expand(ceil_unsigned),
    arith.AddUIExtendedOp: _addui_extended,
    arith.MulUIExtendedOp: _mul_extended(llvm.ZExtOp),
    arith.MulSIExtendedOp: _mul_extended(llvm.SExtOp),
    arith.MinUIOp: _intrinsic("umin"),
    arith.MaxUIOp: _intrinsic("umax"),
    arith.MinSIOp: _intrinsic("smin"),
    arith.MaxSIOp: _intrinsic("smax"),
    arith.MinimumfOp: _intrinsic("minimum"),
    arith.MaximumfOp: _intrinsic("maximum"),
    arith.MinnumfOp: _intrinsic("minnum"),
    arith.MaxnumfOp: _intrinsic("maxnum"),
    arith.AddfOp: _with_fast_math(llvm.FAddOp),
    arith.SubfOp: _with_fast_math(llvm.FSubOp),
    arith.MulfOp: _with_fast_math(llvm.FMulOp),
    arith.DivfOp: _with_fast_math(llvm.FDivOp),
    arith.NegfOp: _with_fast_math(llvm.FNegOp),
    arith.CmpiOp: _cmpi,
    arith.CmpfOp: _cmpf,
    arith.SelectOp: _select,
    arith.ExtSIOp: _cast(llvm.SExtOp),
    arith.ExtUIOp: _cast(llvm.ZExtOp),
    arith.TruncIOp: _cast(llvm.TruncOp),
    arith.ExtFOp: _cast(llvm.FPExtOp),
    arith.TruncFOp: _cast(llvm.FPTruncOp),
    arith.BitcastOp: _cast(llvm.BitcastOp),
    arith.SIToFPOp: _cast(llvm.SIToFPOp),
    arith.UIToFPOp: _uitofp,
    arith.FPToSIOp: _saturating("fptosi"),
    arith.FPToUIOp: _saturating("fptoui"),
    arith.IndexCastOp: _index_cast(llvm.SExtOp),
}


@dataclass(frozen=True)
class ConvertArithToLLVMPass(ConversionPass):
    """Convert arith to llvm, `index` becoming an integer as wide as a pointer."""

    name = "convert-arith-to-llvm"
    dialect, rules = arith.Arith, _RULES
