"""Builds the function: emits verified ops with readable names, and moves tensors between forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import TensorType, f32, i32
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from lowbit_dialect.importers.onnx_fold import Folder
from lowbit_dialect.importers.onnx_model import MAX_ELEMENTS, Constant, Node, shown
from lowbit_dialect.importers.onnx_tensor import Tensor, Value, is_row_major
from lowbit_dialect.layout import Array
from lowbit_dialect.names import NAME, identifier, name_attribute
from lowbit_dialect.ops.common import shape_of
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.elementwise import AddOp, RequantizeOp
from lowbit_dialect.ops.reshaping import ReshapeOp, TransposeOp
from lowbit_dialect.ranges import admit

LEAST, EACH = 1 << 24, 16
"""Elements of constants that a model may compute or emit: so many, and so many for each that it holds."""


class Builder:
    """The block under construction and what each ONNX name stands for."""

    def __init__(self, constants: Mapping[str, Constant], opset: int = 1, batch: int | None = None):
        self.block = Block()
        self.values: dict[str, Value] = dict(constants)
        self.folder = Folder.of(opset, constants)
        self.batch = batch
        """First extent of the inputs where the user gave it, not the file."""
        self.spent = {"known": 0, "emitted": 0}
        held = sum(constant.values.size for constant in constants.values())
        self.limit = min(MAX_ELEMENTS, LEAST + EACH * held)

    def spend(self, node: Node, kind: str, elements: int) -> None:
        """Count elements of constants against the limit: a small file can use one tensor often."""
        self.spent[kind] += elements
        if self.spent[kind] > self.limit:
            raise node.fail(f"brings the constants {kind} to more than {self.limit} elements")

    # What a node reads

    def operand(self, node: Node, index: int) -> Value:
        """Whatever input `index` stands for."""
        if not node.has(index):
            raise node.fail(f"input {index} is missing")
        name = node.inputs[index]
        if name not in self.values:
            raise node.fail(
                f"reads {shown(name)}, which is no input, initializer or result of an earlier node"
            )
        return self.values[name]

    def tensor(self, node: Node, index: int = 0) -> Tensor:
        """Input `index` as computed at run time, a known one as a `lowbit.constant`."""
        value = self.operand(node, index)
        if isinstance(value, Tensor):
            return value
        if isinstance(value, Constant):
            values = self.reals(node, index, finite=False)
            if values.ndim == 0:
                raise node.fail(f"input {shown(node.inputs[index])} is one number, not a tensor")
            return Tensor.plain(self.known(node, values, f32, node.inputs[index]), values.shape)
        raise node.fail(
            "reads the integers of a QuantizeLinear: a DequantizeLinear belongs between"
        )

    def constant(self, node: Node, index: int) -> Constant:
        """Input `index`, which is known."""
        value = self.operand(node, index)
        if not isinstance(value, Constant):
            raise node.fail(f"input {shown(node.inputs[index])} is not a constant")
        return value

    def reals(self, node: Node, index: int, finite: bool = True) -> Array:
        """Input `index` as known f32."""
        values = self.constant(node, index).real
        if values.dtype != np.float32 or values.size == 0:
            raise node.fail(f"input {shown(node.inputs[index])} is not float32, or is empty")
        if np.isnan(values).any() or (finite and not np.isfinite(values).all()):
            raise node.fail(f"input {shown(node.inputs[index])} holds a value that is not finite")
        return values

    def vector(self, node: Node, index: int, size: int) -> Array:
        """Input `index` as known f32 of `[size]`."""
        values = self.reals(node, index)
        if values.shape != (size,):
            raise node.fail(
                f"input {shown(node.inputs[index])} has shape {list(values.shape)}, not [{size}]"
            )
        return values

    def reading(self, node: Node, *values: Value) -> Node:
        """`node` with these inputs, under names of their own."""
        names: list[str] = []
        for value in values:
            name = f"input {len(names)} of {node.outputs[0]}"
            while name in self.values:
                name += "'"
            names.append(name)
            self.values[name] = value
        return replace(node, inputs=tuple(names))

    # What a node writes

    def emit(self, node: Node, op: Operation, name: str | None = None) -> SSAValue:
        """Append an op, verified, and return its result, named after the node's output."""
        admit(op)
        try:
            op.verify()
        except VerifyException as error:
            problem = " ".join(str(error).split("\n")[-1].split())
            raise node.fail(f"as {op.name}, {problem}") from error
        if not isinstance(op, ConstantOp):
            op.attributes[NAME] = name_attribute(node.name or "".join(node.outputs[:1]))
        self.block.add_op(op)
        result = op.results[0]
        result.name_hint = identifier(name if name is not None else "".join(node.outputs[:1]))
        return result

    def known(self, node: Node, values: Array, element: Attribute, name: str) -> SSAValue:
        """A `lowbit.constant` of decoded values."""
        self.spend(node, "emitted", values.size)
        return self.emit(node, ConstantOp.of(values, element), name)

    def row(
        self, node: Node, x: Tensor, values: Array, name: str, axis: int = 1, kind: Attribute = f32
    ) -> tuple[SSAValue, int]:
        """A table for `x` with one row, or one for each position of ONNX axis `axis`; its stored axis."""
        if values.size == 1:
            return self.known(node, values.reshape(1), kind, name), -1
        stored = x.stored_axis(axis)
        if x.flattened and axis == 1:
            values = values[x.columns]
        last = stored == len(shape_of(x.value)) - 1
        return self.known(node, values, kind, name), -1 if last else stored

    # Changes of form

    def to_float(self, node: Node, x: Tensor) -> Tensor:
        """`x` as f32: what is left of its quantisation becomes a `lowbit.requantize`."""
        if x.is_integers:
            raise node.fail("reads integers as such: a Cast or a DequantizeLinear belongs between")
        if x.scale is None:
            return x
        hint = f"{x.value.name_hint or 'x'}_real"
        value = self.without_zero(node, x).value
        scale, axis = self.row(node, x, x.scale, f"{hint}_scale", x.axis)
        bias = None
        if x.bias is not None:
            bias, other = self.row(node, x, x.bias, f"{hint}_bias", x.axis)
            axis = axis if axis != -1 else other
        return x.holding(self.emit(node, RequantizeOp(value, scale, bias=bias, axis=axis), hint))

    def without_zero(self, node: Node, x: Tensor) -> Tensor:
        """`x` with its zero point subtracted, as i32 if it had one."""
        if x.zero == 0:
            return x
        offset = self.known(node, np.array([-x.zero]), i32, "zero_point")
        value = self.emit(node, AddOp(x.value, offset), f"{x.value.name_hint or 'x'}_centred")
        return replace(x, value=value, zero=0)

    def arranged(self, node: Node, x: Tensor, axes: Sequence[int]) -> Tensor:
        """`x` stored with its ONNX axes in this order, by a reshape where no element has to move."""
        x = self.row_major(node, x) if x.flattened else x
        if tuple(axes) == x.axes:
            return x
        shape = [x.shape[axis] for axis in axes]
        order = [x.axes.index(axis) for axis in axes]
        if is_row_major(shape_of(x.value), order):
            op: Operation = ReshapeOp(x.value, TensorType(x.element, shape))
        else:
            op = TransposeOp(x.value, order)
        hint = f"{x.value.name_hint or 'x'}_moved"
        return replace(x, value=self.emit(node, op, hint), axes=tuple(axes))

    def row_major(self, node: Node, x: Tensor) -> Tensor:
        """`x` stored in ONNX order, not flattened out of order."""
        if not x.flattened:
            return self.arranged(node, x, range(len(x.shape)))
        folded = [x.base[axis] for axis in x.axes]
        value = self.emit(node, ReshapeOp(x.value, TensorType(x.element, folded)), "unfolded")
        back = [x.axes.index(axis) for axis in range(len(x.base))]
        value = self.emit(node, TransposeOp(value, back), "unfolded")
        value = self.emit(node, ReshapeOp(value, TensorType(x.element, x.shape)))
        return replace(x, value=value, base=x.shape, axes=tuple(range(len(x.shape))))
