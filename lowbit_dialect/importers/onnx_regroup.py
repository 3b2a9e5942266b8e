"""Reshapes that split and merge axes where they are stored: elements move only as far as they must.

A channel shuffle of an image stored NHWC, `[N, C, H, W]` to `[N, g, C/g, H, W]`, to `[N, C/g, g, H, W]` and
back to `[N, C, H, W]`, moves channels within each pixel and no pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import TensorType

from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_tensor import Tensor
from lowbit_dialect.ops.reshaping import ReshapeOp


@dataclass(frozen=True)
class Group:
    """Neighbouring axes of one shape that hold what those of the other hold, as few as can be."""

    before: list[int]
    after: list[int]


def groups_of(before: Sequence[int], after: Sequence[int]) -> list[Group]:
    """The groups, in order, of two shapes of as many elements."""
    groups: list[Group] = []
    i = j = 0
    while i < len(before) and j < len(after):
        group, sizes = Group([i], [j]), [before[i], after[j]]
        i, j = i + 1, j + 1
        while sizes[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                group.before.append(i)
                sizes[0] *= before[i]
                i += 1
            else:
                group.after.append(j)
                sizes[1] *= after[j]
                j += 1
        groups.append(group)
    groups[-1].before.extend(range(i, len(before)))  # all of extent 1
    groups[-1].after.extend(range(j, len(after)))
    return groups


def regrouped(b: Builder, node: Node, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x`, not flattened, in another shape: each group of axes is stored where its innermost one was."""
    groups = groups_of(x.shape, shape)
    groups.sort(key=lambda group: max(map(x.axes.index, group.before)))
    x = b.arranged(node, x, [axis for group in groups for axis in group.before])
    axes = tuple(axis for group in groups for axis in group.after)
    type = TensorType(x.element, [shape[axis] for axis in axes])
    value = b.emit(node, ReshapeOp(x.value, type))
    return replace(x, value=value, base=shape, axes=axes, shape=shape)
