"""Which ops may vanish: unused ones on tensors, never one that writes to `outs`."""

from __future__ import annotations

import pytest
from dialect_text import context, parse, programs
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.traits import MemoryEffectKind, get_effects, is_side_effect_free, is_speculatable
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.transforms.common_subexpression_elimination import CommonSubexpressionElimination
from xdsl.transforms.dead_code_elimination import DeadCodeElimination

from lowbit_dialect.dialect import Lowbit
from lowbit_dialect.ops.base import LowbitOp

MODULES = [parse(text) for text in programs("ops.mlir")]
LOWBIT = [op for module in MODULES for op in module.walk() if op.name.startswith("lowbit.")]


@pytest.mark.parametrize(
    "transform", [CanonicalizePass(), DeadCodeElimination(), CommonSubexpressionElimination()]
)
def test_every_op_with_outs_stays(transform: ModulePass):
    for module in (one.clone() for one in MODULES):
        writers = [op for op in module.walk() if getattr(op, "outs", None) is not None]
        transform.apply(context(), module)
        left = list(module.walk())
        assert all(op in left for op in writers)


def test_effects_are_those_of_the_memrefs():
    seen: set[str] = set()
    for op in LOWBIT:
        effects, outs = get_effects(op), getattr(op, "outs", None)
        assert effects is not None
        written = {e.value for e in effects if e.kind is MemoryEffectKind.WRITE}
        assert written == ({outs} if outs is not None else set())
        if outs is not None:
            seen.add(op.name)
            read = {e.value for e in effects if e.kind is MemoryEffectKind.READ}
            others = [v for v in op.operands if isinstance(v.type, MemRefType) and v is not outs]
            assert read >= set(others)
    assert seen == {op.name for op in Lowbit.operations if writes(op)}


def writes(op: type[Operation]) -> bool:
    return any(name == "outs" for name, _ in op.get_irdl_definition().operands)


def test_ops_on_tensors_are_pure():
    for op in LOWBIT:
        if not any(isinstance(v.type, MemRefType) for v in op.operands):
            assert is_side_effect_free(op), op.name
        if op.name != "lowbit.yield" and is_side_effect_free(op):
            assert is_speculatable(op), op.name


def test_equal_ops_on_tensors_merge():
    line = "lowbit.dense %x, %x : tensor<2x2x!lowbit.odd<1>>, tensor<2x2x!lowbit.odd<1>> -> tensor<2x2xi32>"
    module = parse(
        "func.func @f(%x: tensor<2x2x!lowbit.odd<1>>) -> (tensor<2x2xi32>, tensor<2x2xi32>) {\n"
        f"%0 = {line}\n%1 = {line}\n"
        "func.return %0, %1 : tensor<2x2xi32>, tensor<2x2xi32>\n}"
    )
    CommonSubexpressionElimination().apply(context(), module)
    assert [op.name for op in module.walk()].count("lowbit.dense") == 1


def test_an_op_in_place_reads_what_it_writes():
    module = parse(
        "func.func @f(%x: memref<4xf32>) {\n"
        "lowbit.clip %x outs(%x : memref<4xf32>) {minimum = 0.0 : f32} : memref<4xf32>\n"
        "func.return\n}"
    )
    (clip,) = (op for op in module.walk() if op.name == "lowbit.clip")
    effects = get_effects(clip)
    assert effects is not None
    assert {e.kind for e in effects} == {MemoryEffectKind.READ, MemoryEffectKind.WRITE}


@pytest.mark.parametrize("op", [*Lowbit.operations], ids=lambda op: op.name)
def test_every_op_refuses_attributes_that_it_does_not_know(op: type[Operation]) -> None:
    assert issubclass(op, LowbitOp)
