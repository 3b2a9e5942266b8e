"""Convert vector to llvm, for 1-D vectors.

Leaves llvm ops, and casts where an `index` or a memref meets another dialect. A load or store is
aligned to its element, or to the bytes in its `alignment` attribute. One lane is read by shuffling
it into a vector of one lane, which is a bit cast away from the scalar: the llvm dialect here has no
`extractelement`, and instruction selection sees through it.

Reductions of floats go lane by lane, in order, as vector says for ops without fast-math flags.

```
%1 = vector.load %0[%i] : memref<64xi8>, vector<16xi8>
-->
%1 = llvm.getelementptr inbounds %0[%i] : (!llvm.ptr, i64) -> !llvm.ptr, i8
%2 = llvm.load %1 {alignment = 1 : i64} : !llvm.ptr -> vector<16xi8>
```
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import llvm, vector
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue

from lowering.llvm.addressing import alignment, base_of, element_address
from lowering.llvm.conversion import Conversion, ConversionPass, Rule, constant_value
from lowering.llvm.type_conversion import refusal
from microkernels import llvm_ops as emit
from microkernels.llvm_types import element_type, is_integer, lanes_of, mangled


def _vector_address(
    op: Operation,
    base: SSAValue,
    indices: Sequence[SSAValue],
    conversion: Conversion,
    *,
    in_bounds: bool = True,
) -> SSAValue:
    """Return the address of consecutive elements; refuse a memref that spreads or pads them."""
    known = base_of(op, base, conversion)
    if known.strides and known.strides[-1] != 1:
        raise refusal(op, f"{base.type} is not dense in its last dimension, as a vector is")
    element = known.element
    if is_integer(element) and element.width.data % 8:
        raise refusal(op, f"{base.type} keeps each {element} in bytes, a vector packs them")
    return element_address(op, base, indices, conversion, in_bounds=in_bounds)


def _load(op: vector.LoadOp, conversion: Conversion) -> None:
    base, *indices = op.operands
    type_ = conversion.llvm_type(op.results[0].type)
    address = _vector_address(op, base, indices, conversion)
    conversion.become(op, llvm.LoadOp, [address], emit.access(alignment(op, type_)))


def _store(op: vector.StoreOp, conversion: Conversion) -> None:
    value, base, *indices = op.operands
    value = conversion.operand(value)
    address = _vector_address(op, base, indices, conversion)
    align = alignment(op, value.type)
    conversion.become(op, llvm.StoreOp, [value, address], emit.access(align))


def _masked_load(op: vector.MaskedLoadOp, conversion: Conversion) -> None:
    base, *indices, mask, other = op.operands
    other = conversion.operand(other)
    address = _vector_address(op, base, indices, conversion, in_bounds=False)
    align = conversion.emit(emit.constant(alignment(op, other.type), i32))
    name = f"llvm.masked.load.{mangled(other.type)}.p0"
    operands = [address, align, mask, other]
    conversion.become(op, llvm.CallIntrinsicOp, operands, emit.call(name, 4))


def _masked_store(op: vector.MaskedStoreOp, conversion: Conversion) -> None:
    base, *indices, mask, value = op.operands
    value = conversion.operand(value)
    address = _vector_address(op, base, indices, conversion, in_bounds=False)
    align = conversion.emit(emit.constant(alignment(op, value.type), i32))
    name = f"llvm.masked.store.{mangled(value.type)}.p0"
    operands = [value, address, align, mask]
    conversion.become(op, llvm.CallIntrinsicOp, operands, emit.call(name, 4))


def _broadcast(op: vector.BroadcastOp, conversion: Conversion) -> None:
    type_ = conversion.llvm_type(op.results[0].type)
    source = conversion.operand(op.operands[0])
    known = constant_value(source)
    if source.type == type_:
        new = source
    elif known is not None:
        new = conversion.emit(emit.constant(known, type_))
    else:
        new = _splat(source, type_, conversion)
    conversion.replace(op, new)


def _splat(source: SSAValue, type_: Attribute, conversion: Conversion) -> SSAValue:
    if not isinstance(source.type, VectorType):
        undefined = conversion.emit(llvm.UndefOp.create(result_types=[type_]))
        source = _insert_lane(undefined, source, 0, conversion)
    mask = [0] * lanes_of(type_)
    return conversion.emit(emit.shuffle(source, source, mask))


def _insert_lane(
    into: SSAValue, value: SSAValue, lane: int | SSAValue, conversion: Conversion
) -> SSAValue:
    index = conversion.emit(emit.constant(lane, i64)) if isinstance(lane, int) else lane
    new = llvm.InsertElementOp.create(operands=[into, value, index], result_types=[into.type])
    return conversion.emit(new)


def _extract(op: vector.ExtractOp, conversion: Conversion) -> None:
    source = conversion.operand(op.operands[0])
    (position,) = op.get_mixed_position() or [None]
    if position is None:
        conversion.replace(op, source)
        return
    lane = position if isinstance(position, int) else constant_value(position)
    if lane is None:
        raise refusal(op, "the lane is not constant; store the vector and load the element")
    single = conversion.emit(emit.shuffle(source, source, [lane]))
    conversion.become(op, llvm.BitcastOp, [single], {})


def _insert(op: vector.InsertOp, conversion: Conversion) -> None:
    value, into = (conversion.operand(operand) for operand in op.operands[:2])
    (position,) = op.get_mixed_position() or [None]
    if position is None:
        conversion.replace(op, value)
        return
    lane = position if isinstance(position, int) else conversion.operand(position)
    conversion.replace(op, _insert_lane(into, value, lane, conversion))


def _bitcast(op: vector.BitcastOp, conversion: Conversion) -> None:
    source = conversion.operand(op.operands[0])
    type_ = conversion.llvm_type(op.results[0].type)
    if source.type == type_:
        conversion.replace(op, source)
        return
    conversion.become(op, llvm.BitcastOp, [source], {})


def _fma(op: vector.FMAOp, conversion: Conversion) -> None:
    type_ = conversion.llvm_type(op.results[0].type)
    properties = emit.call(f"llvm.fma.{mangled(type_)}", 3)
    conversion.become(op, llvm.CallIntrinsicOp, conversion.operands(op), properties)


def _shuffle(op: vector.ShuffleOp, conversion: Conversion) -> None:
    v1, v2 = (conversion.operand(operand) for operand in op.operands)
    conversion.llvm_type(op.results[0].type)
    n1, n2 = lanes_of(v1.type), lanes_of(v2.type)
    width = max(n1, n2)
    v1, v2 = (_widen(value, width, conversion) for value in (v1, v2))
    # A lane -1 may be anything; LLVM's text has no -1 in masks, so it is lane 0.
    lanes = [max(lane, 0) for lane in op.mask.get_values()]
    mask = [lane if lane < n1 else lane - n1 + width for lane in lanes]
    conversion.replace(op, conversion.emit(emit.shuffle(v1, v2, mask)))


def _widen(value: SSAValue, width: int, conversion: Conversion) -> SSAValue:
    count = lanes_of(value.type)
    if count == width:
        return value
    mask = [lane if lane < count else 0 for lane in range(width)]
    return conversion.emit(emit.shuffle(value, value, mask))


def _create_mask(op: vector.CreateMaskOp, conversion: Conversion) -> None:
    type_ = conversion.llvm_type(op.results[0].type)
    wide = VectorType(conversion.index, [lanes_of(type_)])
    (bound,) = op.operands
    numbers = DenseIntOrFPElementsAttr.from_list(wide, range(lanes_of(type_)))
    lanes = conversion.emit(emit.constant_attribute(numbers, wide))
    limit = _splat(conversion.operand(bound), wide, conversion)
    conversion.replace(op, conversion.emit(emit.compare("slt", lanes, limit)))


_REDUCTIONS: dict[str, tuple[str, type[Operation] | str]] = {
    "add": ("add", llvm.AddOp),
    "mul": ("mul", llvm.MulOp),
    "and": ("and", llvm.AndOp),
    "or": ("or", llvm.OrOp),
    "xor": ("xor", llvm.XOrOp),
    "minui": ("umin", "umin"),
    "minsi": ("smin", "smin"),
    "maxui": ("umax", "umax"),
    "maxsi": ("smax", "smax"),
    "minnumf": ("fmin", "minnum"),
    "maxnumf": ("fmax", "maxnum"),
    "minimumf": ("fminimum", "minimum"),
    "maximumf": ("fmaximum", "maximum"),
}
"""For each kind: the reduction over lanes, and how its result meets the accumulator."""


def _reduction(op: vector.ReductionOp, conversion: Conversion) -> None:
    source, *start = (conversion.operand(operand) for operand in op.operands)
    kind = op.kind.data.value
    type_ = element_type(source.type)
    suffix = mangled(conversion.llvm_type(source.type))
    if kind in ("add", "mul") and not is_integer(type_):
        neutral = -0.0 if kind == "add" else 1.0
        first = start[0] if start else conversion.emit(emit.constant(neutral, type_))
        call = emit.intrinsic(f"llvm.vector.reduce.f{kind}.{suffix}", [first, source], type_)
        conversion.replace(op, conversion.emit(call))
        return
    name, combine = _REDUCTIONS[kind]
    total = conversion.emit(emit.intrinsic(f"llvm.vector.reduce.{name}.{suffix}", [source], type_))
    if start and isinstance(combine, str):
        full = f"llvm.{combine}.{mangled(type_)}"
        total = conversion.emit(emit.intrinsic(full, [total, start[0]], type_))
    elif start and not isinstance(combine, str):
        total = conversion.emit(emit.binary(combine, total, start[0]))
    conversion.replace(op, total)


_RULES: dict[type[Operation], Rule] = {
    vector.LoadOp: _load,
    vector.StoreOp: _store,
    vector.MaskedLoadOp: _masked_load,
    vector.MaskedStoreOp: _masked_store,
    vector.BroadcastOp: _broadcast,
    vector.ExtractOp: _extract,
    vector.InsertOp: _insert,
    vector.BitcastOp: _bitcast,
    vector.FMAOp: _fma,
    vector.ShuffleOp: _shuffle,
    vector.CreateMaskOp: _create_mask,
    vector.ReductionOp: _reduction,
}


@dataclass(frozen=True)
class ConvertVectorToLLVMPass(ConversionPass):
    """Convert vector to llvm, for 1-D vectors."""

    name = "convert-vector-to-llvm"
    dialect, rules = vector.Vector, _RULES
