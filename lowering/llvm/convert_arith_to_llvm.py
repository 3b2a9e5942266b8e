"""Convert arith to llvm, `index` becoming `i64`.

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

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    VectorType,
    i1,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass

from lowering.llvm import emission as emit
from lowering.llvm.conversion import Conversion, Rule, convert_dialect, llvm_type, refusal
from lowering.llvm.expand_division import (
    Expansion,
    ceil_signed,
    ceil_unsigned,
    floor_signed,
)

_FAST_MATH_OFF = llvm.FastMathAttr(None)


def _width(type_: Attribute) -> int:
    scalar = emit.element_type(type_)
    assert isinstance(scalar, IntegerType)
    return scalar.width.data


def _operands(op: Operation, conversion: Conversion) -> list[SSAValue]:
    llvm_type(op.results[0].type, op)
    return [conversion.operand(operand) for operand in op.operands]


def _fast_math(op: Operation) -> dict[str, Attribute]:
    flags = op.properties.get("fastmath")
    if not isinstance(flags, arith.FastMathFlagsAttr) or not flags.data:
        return {"fastmathFlags": _FAST_MATH_OFF}
    return {"fastmathFlags": llvm.FastMathAttr(flags.data)}


def _constant(op: arith.ConstantOp, conversion: Conversion) -> None:
    type_ = llvm_type(op.result.type, op)
    value = op.value
    if isinstance(value, IntegerAttr):
        value = IntegerAttr(value.value, type_) if value.type != type_ else value
    elif isinstance(value, DenseIntOrFPElementsAttr):
        assert isinstance(type_, VectorType)
        value = DenseIntOrFPElementsAttr(type_, value.data)
    elif not isinstance(value, FloatAttr):
        raise refusal(op, "a resource has no bytes here; use a dense or a scalar attribute")
    conversion.replace(op, conversion.emit(emit.constant_attribute(value, type_)))


def _binary(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        conversion.replace(op, conversion.emit(emit.binary(kind, *_operands(op, conversion))))

    return rule


def _binary_with_overflow(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        flags = op.properties.get("overflowFlags")
        properties: dict[str, Attribute] = {}
        if isinstance(flags, arith.IntegerOverflowAttr) and flags.data:
            code = sum({"nsw": 1, "nuw": 2}[flag] for flag in flags.data)
            properties["overflowFlags"] = IntegerAttr(code, i32)
        new = emit.binary(kind, *_operands(op, conversion), properties=properties)
        conversion.replace(op, conversion.emit(new))

    return rule


def _binary_with_fast_math(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        new = emit.binary(kind, *_operands(op, conversion), properties=_fast_math(op))
        conversion.replace(op, conversion.emit(new))

    return rule


def _negf(op: arith.NegfOp, conversion: Conversion) -> None:
    type_ = llvm_type(op.result.type, op)
    new = emit.unary(llvm.FNegOp, op.operand, type_, _fast_math(op))
    conversion.replace(op, conversion.emit(new))


def _intrinsic(name: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        operands = _operands(op, conversion)
        type_ = operands[0].type
        call = emit.intrinsic(f"llvm.{name}.{emit.mangle(type_)}", operands, type_)
        conversion.replace(op, conversion.emit(call))

    return rule


def _cmpi(op: arith.CmpiOp, conversion: Conversion) -> None:
    predicate = arith.CMPI_COMPARISON_OPERATIONS[op.predicate.value.data]
    lhs, rhs = _operands(op, conversion)
    conversion.replace(op, conversion.emit(emit.compare(predicate, lhs, rhs)))


def _cmpf(op: arith.CmpfOp, conversion: Conversion) -> None:
    if isinstance(op.lhs.type, VectorType):
        raise refusal(op, "llvm.fcmp takes scalars only; compare lane by lane")
    properties = {"predicate": IntegerAttr(op.predicate.value.data, i64), **_fast_math(op)}
    new = llvm.FCmpOp.create(operands=[op.lhs, op.rhs], result_types=[i1], properties=properties)
    conversion.replace(op, conversion.emit(new))


def _select(op: arith.SelectOp, conversion: Conversion) -> None:
    condition, lhs, rhs = _operands(op, conversion)
    if not isinstance(condition.type, VectorType):
        conversion.replace(op, conversion.emit(emit.select(condition, lhs, rhs)))
        return
    count = conversion.emit(emit.constant(emit.lanes(lhs.type), i32))
    name = f"llvm.vp.select.{emit.mangle(lhs.type)}"
    call = emit.intrinsic(name, [condition, lhs, rhs, count], lhs.type)
    conversion.replace(op, conversion.emit(call))


def _cast(kind: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        (operand,) = _operands(op, conversion)
        new_type = llvm_type(op.results[0].type, op)
        if operand.type == new_type:
            conversion.replace(op, operand)
            return
        conversion.replace(op, conversion.emit(emit.unary(kind, operand, new_type)))

    return rule


def _index_cast(extension: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        (operand,) = _operands(op, conversion)
        new_type = llvm_type(op.results[0].type, op)
        growth = _width(new_type) - _width(operand.type)
        if growth == 0:
            conversion.replace(op, operand)
            return
        kind = extension if growth > 0 else llvm.TruncOp
        conversion.replace(op, conversion.emit(emit.unary(kind, operand, new_type)))

    return rule


def _saturating(name: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        (operand,) = _operands(op, conversion)
        type_ = op.results[0].type
        full = f"llvm.{name}.sat.{emit.mangle(type_)}.{emit.mangle(operand.type)}"
        conversion.replace(op, conversion.emit(emit.intrinsic(full, [operand], type_)))

    return rule


def _uitofp(op: arith.UIToFPOp, conversion: Conversion) -> None:
    operand, type_ = op.input, llvm_type(op.result.type, op)
    if isinstance(operand.type, VectorType):
        mask = conversion.emit(emit.constant(1, emit.with_element(operand.type, i1)))
        count = conversion.emit(emit.constant(emit.lanes(type_), i32))
        name = f"llvm.vp.uitofp.{emit.mangle(type_)}.{emit.mangle(operand.type)}"
        conversion.replace(op, conversion.emit(emit.intrinsic(name, [operand, mask, count], type_)))
    elif _width(operand.type) < 64:
        wide = conversion.emit(emit.unary(llvm.ZExtOp, operand, i64))
        conversion.replace(op, conversion.emit(emit.unary(llvm.SIToFPOp, wide, type_)))
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
    off: dict[str, Attribute] = {"fastmathFlags": _FAST_MATH_OFF}
    doubled = conversion.emit(emit.binary(llvm.FAddOp, half, half, off))
    direct = conversion.emit(emit.unary(llvm.SIToFPOp, value, type_))
    negative = conversion.emit(emit.compare("slt", value, zero))
    return conversion.emit(emit.select(negative, doubled, direct))


def _addui_extended(op: arith.AddUIExtendedOp, conversion: Conversion) -> None:
    lhs, rhs = _operands(op, conversion)
    total = conversion.emit(emit.binary(llvm.AddOp, lhs, rhs))
    conversion.replace(op, total, conversion.emit(emit.compare("ult", total, lhs)))


def _mul_extended(extension: type[Operation]) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        operands = _operands(op, conversion)
        type_, width = operands[0].type, _width(operands[0].type)
        wide = emit.with_element(type_, IntegerType(2 * width))
        lhs, rhs = (conversion.emit(emit.unary(extension, value, wide)) for value in operands)
        product = conversion.emit(emit.binary(llvm.MulOp, lhs, rhs))
        shift = conversion.emit(emit.constant(width, wide))
        upper = conversion.emit(emit.binary(llvm.LShrOp, product, shift))
        low = conversion.emit(emit.unary(llvm.TruncOp, product, type_))
        conversion.replace(op, low, conversion.emit(emit.unary(llvm.TruncOp, upper, type_)))

    return rule


def _expand(expansion: Expansion) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        lhs, rhs = _operands(op, conversion)
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
    arith.AddfOp: _binary_with_fast_math(llvm.FAddOp),
    arith.SubfOp: _binary_with_fast_math(llvm.FSubOp),
    arith.MulfOp: _binary_with_fast_math(llvm.FMulOp),
    arith.DivfOp: _binary_with_fast_math(llvm.FDivOp),
    arith.NegfOp: _negf,
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
class ConvertArithToLLVMPass(ModulePass):
    """Convert arith to llvm, `index` becoming `i64`."""

    name = "convert-arith-to-llvm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Convert every arith op of `op`."""
        convert_dialect(op, arith.Arith, _RULES)
