"""Compare a network with its reference layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import FunctionType, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation

from lowbit.argument_checks import integer
from lowbit.checks import as_tuple
from lowbit.compiling import compile
from lowbit.element_types import spelling_of
from lowbit.kernel import Kernel
from lowbit.lowered import as_written
from lowbit.pipeline import lower
from lowbit.program import Program
from lowbit.signature import inputs_of
from lowbit_dialect.differences import differences, is_exact
from lowbit_dialect.layout import Array
from lowbit_dialect.ops.constant import ConstantOp
from lowbit_dialect.ops.conversions import ConversionOp
from lowbit_dialect.ops.reshaping import ReshapeOp
from lowbit_dialect.reference import run
from lowbit_dialect.schedule import Schedule

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LayerReport:
    """One tensor of a network on all images."""

    name: str
    op: str
    element: str
    values: int
    """Activations compared."""
    different: int
    """How many of them differ from the reference."""

    def __str__(self) -> str:
        return f"{self.name} ({self.op}, {self.element}): {self.different} of {self.values} differ"


def compare_layers(
    program: Program,
    images: Any,
    limit: int = 400,
    *,
    target: str = "host",
    progress: Progress | None = None,
) -> tuple[LayerReport, ...]:
    """Count the activations that differ from the reference, in every tensor that survives fusion.

    `images` holds inputs of the program, one after the other along its first axis. The last rows compare
    the results of the program as it was written, before fusion. Raises ValueError unless the program has
    one input.
    """
    inputs = inputs_of(program)
    if len(inputs) != 1:
        raise ValueError(f"compare_layers takes a program of one input, not {len(inputs)}")
    exposed, names = expose(program)
    kernel = compile(exposed, target)
    count = {name: [0, 0] for name in names}
    batches = _batches(images, tuple(inputs[0].type.get_shape()), integer("limit", limit))
    for index, batch in enumerate(batches):
        _compare(program, kernel, [batch], names, count)
        if progress is not None:
            progress(index + 1, len(batches))
    return _reports(names, count)


def compare_once(
    program: Program,
    arrays: Sequence[Array],
    target: str = "host",
    schedule: str | Schedule = "default",
    threads: int = 1,
) -> tuple[LayerReport, ...]:
    """The same for one call of a program with any inputs."""
    exposed, names = expose(program)
    count = {name: [0, 0] for name in names}
    _compare(program, compile(exposed, target, schedule, threads), arrays, names, count)
    return _reports(names, count)


def _reports(
    names: dict[str, tuple[str, str]], count: dict[str, list[int]]
) -> tuple[LayerReport, ...]:
    return tuple(
        LayerReport(name, op, element, count[name][0], count[name][1])
        for name, (op, element) in names.items()
    )


def _compare(
    program: Program,
    kernel: Kernel,
    batch: Sequence[Array],
    names: dict[str, tuple[str, str]],
    count: dict[str, list[int]],
) -> None:
    """Add to the values and differences of each tensor what one batch has."""
    results = as_tuple(kernel(*batch))
    fused = run(kernel.program.module, *batch, function=program.name)
    source = run(program.module, *batch, function=program.name)
    # The program's own results stand first among the results, and last among the names.
    listed = list(names)
    inner, outputs = listed[: -len(source)], listed[-len(source) :]
    pairs = [*zip(results, fused), *zip(results, source)]
    for name, (one, other) in zip([*outputs, *inner, *outputs], pairs):
        wrong = differences(one, other, is_exact(program.module))
        count[name][0] += wrong.size
        count[name][1] += int(wrong.sum())


def expose(program: Program) -> tuple[Program, dict[str, tuple[str, str]]]:
    """The program after fusion, returning every tensor, and for each its op and element by name."""
    module = lower(as_written(program).module, until="graph")
    exposed = Program(module)
    func = exposed.func
    last = func.body.block.last_op
    assert isinstance(last, ReturnOp)
    returned = set(last.operands)
    kept = [op for op in func.body.block.ops if _is_layer(op) and op.results[0] not in returned]
    names: dict[str, tuple[str, str]] = {}
    for op in kept:
        _name(names, op)
    for value in last.operands:
        owner = value.owner
        if isinstance(owner, Operation):
            _name(names, owner, "output")
    last.operands = [*last.operands, *(op.results[0] for op in kept)]
    retype(func, last)
    return exposed, names


def _is_layer(op: Operation) -> bool:
    if not op.results or isinstance(op, ConstantOp | ReshapeOp | ConversionOp):
        return False
    return isinstance(op.results[0].type, TensorType)


def _name(names: dict[str, tuple[str, str]], op: Operation, default: str = "layer") -> None:
    value = op.results[0]
    base = name = value.name_hint or f"{default}{len(names)}"
    copies = 2
    while name in names:
        name, copies = f"{base}.{copies}", copies + 1
    element = cast(TensorType[Any], value.type).element_type
    names[name] = (op.name.removeprefix("lowbit."), spelling_of(element))


def retype(func: FuncOp, last: ReturnOp) -> None:
    """Make the type of a function agree with what it returns."""
    inputs = list(func.function_type.inputs.data)
    outputs = [value.type for value in last.operands]
    func.properties["function_type"] = FunctionType.from_lists(inputs, outputs)
    func.properties.pop("res_attrs", None)


def _batches(images: Any, shape: tuple[int, ...], limit: int) -> list[Array]:
    array = np.asarray(images)
    if array.shape[1:] != shape[1:] or len(array) < shape[0]:
        wanted = "x".join(map(str, ("N", *shape[1:])))
        raise ValueError(f"images have shape {array.shape}, but the program takes {wanted}")
    count = min(limit, len(array)) // shape[0]
    return [array[i * shape[0] : (i + 1) * shape[0]] for i in range(max(1, count))]
