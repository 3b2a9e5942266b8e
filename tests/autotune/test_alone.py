"""An op alone is the op: the same key, the same work, and it measures."""

from __future__ import annotations

import numpy as np

import lowbit
from autotune.alone import alone
from autotune.keys import key_of
from lowbit.bench.limits import work_of_op
from lowbit.tuning.subjects import fused, subjects_of
from lowbit_dialect.ops.linear import LinearOp
from lowbit_dialect.schedule import Schedule


def network() -> lowbit.Program:
    program, rng = lowbit.Program(), np.random.default_rng(0)
    x = program.input((1, 5, 5, 32), "uint2", name="x")
    w = program.constant(2 * rng.integers(0, 2, (3, 3, 32, 32)) - 1, "odd1")
    table = program.constant(np.sort(rng.integers(-9, 9, (32, 3)), 1), "i32")
    y = program.threshold(program.conv2d(x, w, padding=1), table, "uint2")
    v = program.input((1, 1, 32, 8), "odd1", name="v", constant=True)
    program.output(program.conv2d(y, v))
    return program


def test_a_layer_alone() -> None:
    subjects = subjects_of(fused(network()))
    assert len(subjects) == 2
    for subject, arguments in zip(subjects, (1, 2)):
        op = subject.ops[0]
        subject.pin(Schedule(pixels=1))
        module = alone(op)
        module.verify()
        (copy,) = [one for one in module.walk() if isinstance(one, LinearOp)]
        assert copy.schedule is None and op.schedule is not None
        assert key_of(copy) == key_of(op) and work_of_op(copy) == work_of_op(op)
        program = lowbit.parse(str(module))
        assert len(program.arguments) == arguments
        assert len(program.constant_names) == arguments - 1
        rng = np.random.default_rng(1)
        x = rng.integers(0, 4, (1, 5, 5, 32))
        given = [x, 2 * rng.integers(0, 2, (1, 1, 32, 8)) - 1][:arguments]
        got = lowbit.compile(program, "x86-64")(*given)
        assert np.array_equal(got, lowbit.reference(program, *given))
