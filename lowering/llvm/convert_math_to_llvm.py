"""Convert math to calls of LLVM's intrinsics.

Needs scalars or 1-D vectors; leaves llvm ops, and no `math` op. What LLVM has no intrinsic for
(`erf`, `cbrt`, `expm1`, `log1p`, `ipowi`) is refused. Intrinsics of transcendental functions
(`exp`, `sin`, ...) become calls of the C library when LLVM has no instruction for them.

```
%1 = math.ctpop %0 : vector<16xi8>
-->
%1 = llvm.call_intrinsic "llvm.ctpop.v16i8"(%0) : (vector<16xi8>) -> vector<16xi8>
```
"""

from dataclasses import dataclass

from xdsl.dialects import llvm, math
from xdsl.dialects.builtin import i1
from xdsl.ir import Operation

from lowering.llvm.conversion import Conversion, ConversionPass, Rule
from lowering.llvm.type_conversion import refusal
from microkernels.llvm_ops import FAST_MATH_OFF, call, constant, intrinsic
from microkernels.llvm_types import is_vector, mangled

_INTRINSICS: dict[type[Operation], str] = {
    math.AbsFOp: "fabs",
    math.AcosOp: "acos",
    math.AsinOp: "asin",
    math.Atan2Op: "atan2",
    math.AtanOp: "atan",
    math.CeilOp: "ceil",
    math.CopySignOp: "copysign",
    math.CosOp: "cos",
    math.CoshOp: "cosh",
    math.CtPopOp: "ctpop",
    math.Exp2Op: "exp2",
    math.ExpOp: "exp",
    math.FloorOp: "floor",
    math.FmaOp: "fma",
    math.Log10Op: "log10",
    math.Log2Op: "log2",
    math.LogOp: "log",
    math.PowFOp: "pow",
    math.RoundEvenOp: "roundeven",
    math.RoundOp: "round",
    math.SinOp: "sin",
    math.SinhOp: "sinh",
    math.SqrtOp: "sqrt",
    math.TanOp: "tan",
    math.TanhOp: "tanh",
    math.TruncOp: "trunc",
}

# These take a flag that makes one input poison; math defines all inputs, so it is off.
_WITH_POISON_FLAG: dict[type[Operation], str] = {
    math.AbsIOp: "abs",
    math.CountLeadingZerosOp: "ctlz",
    math.CountTrailingZerosOp: "cttz",
}


def _call(name: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        operands = conversion.operands(op)
        full = f"llvm.{name}.{mangled(conversion.llvm_type(op.results[0].type))}"
        conversion.become(op, llvm.CallIntrinsicOp, operands, call(full, len(operands)))

    return rule


def _call_with_poison_flag(name: str) -> Rule:
    def rule(op: Operation, conversion: Conversion) -> None:
        operands = [*conversion.operands(op), conversion.emit(constant(0, i1))]
        full = f"llvm.{name}.{mangled(conversion.llvm_type(op.results[0].type))}"
        conversion.become(op, llvm.CallIntrinsicOp, operands, call(full, 2))

    return rule


def _fpowi(op: math.FPowIOp, conversion: Conversion) -> None:
    base, exponent = conversion.operands(op)
    if is_vector(exponent.type):
        raise refusal(op, "LLVM raises to a power that is one integer for all lanes")
    name = f"llvm.powi.{mangled(base.type)}.{mangled(exponent.type)}"
    conversion.become(op, llvm.CallIntrinsicOp, [base, exponent], call(name, 2))


def _rsqrt(op: math.RsqrtOp, conversion: Conversion) -> None:
    (operand,) = conversion.operands(op)
    name = f"llvm.sqrt.{mangled(operand.type)}"
    root = conversion.emit(intrinsic(name, [operand], operand.type))
    one = conversion.emit(constant(1, operand.type))
    conversion.become(op, llvm.FDivOp, [one, root], FAST_MATH_OFF)


_RULES: dict[type[Operation], Rule] = {
    **{kind: _call(name) for kind, name in _INTRINSICS.items()},
    **{kind: _call_with_poison_flag(name) for kind, name in _WITH_POISON_FLAG.items()},
    math.FPowIOp: _fpowi,
    math.RsqrtOp: _rsqrt,
}


@dataclass(frozen=True)
class ConvertMathToLLVMPass(ConversionPass):
    """Convert math to calls of LLVM's intrinsics."""

    name = "convert-math-to-llvm"
    dialect, rules = math.Math, _RULES
