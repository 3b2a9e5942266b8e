"""What `lowbit-expand-microkernels` relies on in a tile and the verifier of the op cannot know.

`lowbit-tile` writes tiles that hold to it; one written by hand may not. Each check raises ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import Float32Type, i16
from xdsl.ir import SSAValue

from lowbit_dialect.algebra import inside_terms
from lowbit_dialect.geometry import Window
from lowbit_dialect.layout import Layout, Term, layout_of, plain, storage_of
from lowbit_dialect.ops.common import array, element_of, shape_of, shaped
from lowbit_dialect.ops.contraction import Contraction
from lowbit_dialect.ops.elementwise import ElementwiseOp, RescaleOp
from lowbit_dialect.ops.tile import TileOp
from lowbit_dialect.schedule import Schedule
from microkernels import lanewise
from microkernels.interface import Microkernel, table_layout
from microkernels.legality import MOST_ACCUMULATORS, block_refusal
from microkernels.table import find_kernel
from microkernels.target import Target


def need(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition`."""
    if not condition:
        raise ValueError(message)


def check_tile(tile: TileOp, target: Target) -> None:
    """Check a tile against the target and its own operands."""
    name, groups = tile.microkernel.data, tile.groups.value.data
    _window(tile)
    _axes("input_axes", tile.input, array(tile.input_axes, ()))
    _axes("output_axes", tile.outs, array(tile.output_axes, ()))
    if name in lanewise.KINDS:
        lanes = lanewise.lanes(target)
        packs = lanes >= 8
        outputs = shape_of(tile.input)[array(tile.input_axes, ())[3]]
        need(groups == 1, f"'{name}' works on 1 group, not {groups}")
        need(tile.weights is None and tile.corrections is None, f"'{name}' takes no weights")
        _rows(tile.input, array(tile.input_axes, ()))
    else:
        kernel = find_kernel(name, target)
        lanes = kernel.lanes
        outputs = _product(tile, kernel)
        packs = kernel.packs(groups, outputs, _block_stored(tile, lanes))
    _block(tile, lanes, outputs)
    channels = shape_of(tile.outs)[array(tile.output_axes, ())[3]]
    need(
        channels == groups * outputs,
        f"outs has {channels} channels, not {groups} groups of {outputs}",
    )
    if tile.corrections is not None:
        _corrections(tile, tile.corrections, table_layout((0, 1), 2, groups, outputs, lanes))
    _outs(tile, packs=packs)
    _epilogue(tile, outputs, lanes)


def _window(tile: TileOp) -> None:
    kernel = array(tile.kernel, ())
    for name in ("kernel", "strides", "dilations"):
        need(min(array(getattr(tile, name), ())) >= 1, f"{name} has numbers of at least 1")
    for low, high in tile.tap_columns:
        need(0 <= low <= high <= kernel[1], f"columns {low}..{high} lie outside the kernel")


def _axes(name: str, value: SSAValue, axes: Sequence[int]) -> None:
    present = sorted(axis for axis in axes if axis != -1)
    rank = len(shape_of(value))
    need(
        present == list(range(rank)) and axes[3] != -1,
        f"{name} name each of the {rank} axes of {value.type} once, channels last",
    )


def _block(tile: TileOp, lanes: int, outputs: int) -> None:
    vectors, channels = tile.vectors.value.data, tile.channels.value.data
    need(
        (vectors - 1) * lanes < channels <= min(vectors * lanes, outputs),
        f"{vectors} vectors of {lanes} lanes do not fit {channels} of {outputs} channels",
    )
    block = tile.pixels.value.data * vectors
    need(block <= MOST_ACCUMULATORS, f"{block} accumulators: at most {MOST_ACCUMULATORS}")


def _product(tile: TileOp, kernel: Microkernel) -> int:
    """Check the operands of a kernel that multiplies; return the output channels of a group."""
    need(tile.weights is not None, f"'{kernel.name}' needs weights")
    assert tile.weights is not None
    x_axes, w_axes = array(tile.input_axes, ()), array(tile.weight_axes, ())
    _axes("weight_axes", tile.weights, w_axes)
    need(w_axes[2] != -1, "weight_axes name the input channels")
    groups, shape = tile.groups.value.data, shape_of(tile.weights)
    if kernel.lanewise:
        groups = shape[w_axes[3]]
    need(shape[w_axes[3]] % groups == 0, f"{shape[w_axes[3]]} channels do not fit {groups} groups")
    work = Contraction(
        batch=1,
        window=Window.of((1, 1), array(tile.kernel, ())),
        inputs=shape[w_axes[2]],
        outputs=shape[w_axes[3]] // groups,
        groups=groups,
        pad_value=0,
        activation=element_of(tile.input.type),
        weight=element_of(tile.weights.type),
        input_axes=tuple(axis for axis in x_axes if axis != -1),
        weight_axes=tuple(axis for axis in w_axes if axis != -1),
    )
    inputs = shape_of(tile.input)[x_axes[3]]
    need(
        inputs == groups * work.inputs, f"{inputs} input channels are not {groups} x {work.inputs}"
    )
    taps = tuple(1 if axis == -1 else shape[axis] for axis in w_axes[:2])
    need(
        taps == array(tile.kernel, ()),
        f"weights have {taps[0]}x{taps[1]} taps, not those of kernel",
    )
    blocks = tile.epilogue.blocks
    accumulator = blocks[0].args[0].type if blocks else element_of(tile.outs.type)
    need(
        kernel.accepts(work, accumulator),
        f"{kernel.name} cannot multiply {work.activation} by {work.weight} in {accumulator}",
    )
    _stored(kernel.name, tile.input, kernel.input_layout(work))
    vectors = _block_stored(tile, kernel.lanes) // kernel.lanes
    _stored(kernel.name, tile.weights, kernel.weight_layout(work, vectors))
    schedule = Schedule(
        pixels=tile.pixels.value.data,
        vectors=tile.vectors.value.data,
        unroll=tile.unroll.value.data,
        taps=tile.taps.data,
        planes=tile.planes.data,
        prefetch=tile.prefetch.value.data,
    )
    error = block_refusal(schedule, work, kernel)
    need(error is None, error or "")
    corrected = tile.corrections is not None or not kernel.input_layout(work).encoded
    need(
        corrected or inside_terms(work.activation, work.weight, "popcount") == (0, 0, 0),
        f"popcounts of {work.activation} and {work.weight} need corrections",
    )
    need(tile.groups.value.data == kernel.channels(work)[0], f"{kernel.name} walks 1 group")
    return kernel.channels(work)[1]


def _block_stored(tile: TileOp, lanes: int) -> int:
    """Output channels of a block of weights as they are stored, or of the tile if it has more."""
    assert tile.weights is not None
    layout, axis = layout_of(shaped(tile.weights)), array(tile.weight_axes, ())[3]
    terms = layout.terms if layout else ()
    inner = [t.chain[-1][1] for t in terms if t.axis == axis and t.chain and t.chain[-1][0] == "in"]
    return max([tile.vectors.value.data * lanes, *inner[-1:]])


def _stored(reader: str, value: SSAValue, layout: Layout) -> None:
    found = layout_of(shaped(value))
    same = found == layout or (found is None and plain(layout, element_of(value.type)))
    need(same, f"{reader} reads {layout}, not {value.type}")


def _corrections(tile: TileOp, corrections: SSAValue, layout: Layout) -> None:
    if storage_of(shaped(corrections))[1].itemsize == 2:  # of sums that i16 holds
        layout = Layout(layout.terms, i16)
    _stored("the epilogue", corrections, layout)
    classes, known = shape_of(corrections)[1], array(tile.column_classes, ())
    operands = 2 if tile.column_bounds else 1
    need(len(tile.classes) == operands, f"has {operands} classes, not {len(tile.classes)}")
    listed = len(tile.tap_columns)
    need(len(known) == listed, f"column_classes has {listed} numbers, not {len(known)}")
    need(all(0 <= c < classes for c in known), f"column_classes lie in 0..{classes - 1}")


def _rows(value: SSAValue, axes: Sequence[int]) -> None:
    """A memref of unpacked elements whose channels lie side by side."""
    type = shaped(value)
    layout = layout_of(type)
    terms = layout.terms if layout else tuple(Term(axis) for axis in range(type.get_num_dims()))
    whole = all(term.axis is not None and not term.chain for term in terms)
    need(
        whole and terms[-1].axis == axes[3],
        f"{type} does not hold whole rows of channels, unpacked: run lowbit-pack first",
    )


def _outs(tile: TileOp, *, packs: bool) -> None:
    layout, axes = layout_of(shaped(tile.outs)), array(tile.output_axes, ())
    if layout is None or not layout.packed:
        _rows(tile.outs, axes)
        return
    present = ", ".join(f"d{axis}" for axis in axes[:3] if axis != -1)
    _stored("the epilogue", tile.outs, Layout.of(f"{present}, planes, d{axes[3]} by 32"))
    need(packs, "planes are written by 8 lanes or more, in one group")


def _epilogue(tile: TileOp, outputs: int, lanes: int) -> None:
    blocks, groups = tile.epilogue.blocks, tile.groups.value.data
    if not blocks:
        return
    need(len(blocks) == 1 and len(blocks[0].args) == 1, "an epilogue is one block of one argument")
    known: set[SSAValue] = {blocks[0].args[0]}
    *steps, last = blocks[0].ops
    for step in steps:
        need(
            isinstance(step, ElementwiseOp),
            f"an epilogue holds ops on one element, not {step.name}",
        )
        assert isinstance(step, ElementwiseOp)
        need(step.input in known, f"'{step.name}' does not read the accumulator")
        for value in step.operands:
            if value in step.tables:
                _table(step, value, groups, outputs, lanes)
            elif value is not step.input:
                need(shape_of(value) == shape_of(tile.outs), f"{value.type} is no {tile.outs.type}")
                _rows(value, array(tile.output_axes, ()))
        known.update(step.results)
    need(
        last.name == "lowbit.yield" and last.operands[0] in known,
        "an epilogue ends in lowbit.yield of what it computes",
    )


def _table(step: ElementwiseOp, table: SSAValue, groups: int, outputs: int, lanes: int) -> None:
    type, shape = shaped(table), shape_of(table)
    need(shape[0] in (1, groups * outputs), f"a table has 1 row or {groups * outputs}: {type}")
    size, held = 2 if isinstance(step, RescaleOp) else 4, storage_of(type)[1].itemsize
    need(held == size, f"the epilogue reads words of {size} bytes, not {type}")
    if shape[0] == 1 or (layout_of(type) is None and len(shape) == 1):
        return
    layout = table_layout(range(1, len(shape)), 0, groups, outputs, lanes)
    if isinstance(type.element_type, Float32Type) or size == 2:
        layout = Layout(layout.terms, type.element_type)
    _stored("the epilogue", table, layout)
