"""Ops that are alike are verified once: what xDSL refuses is refused, with the same words."""

from collections.abc import Callable
from random import Random

import pytest
from programs import Net
from xdsl.dialects.builtin import ModuleOp, StringAttr, i64
from xdsl.ir import Block, Operation
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from lowbit.pipeline import STAGES, lower
from lowbit_dialect.verification import verify_module


@pytest.fixture(scope="module")
def modules() -> list[ModuleOp]:
    """A layer after every stage."""
    net = Net()
    x, w = net.input((3, 40), "uint2"), net.input((40, 9), "odd1", constant=True)
    module = net.module(net.dense(x, w))
    return [lower(module, "x86-64-v3", until=stage) for stage in STAGES]


def told(verify: Callable[[], None]) -> str:
    """What a verifier says; some of xDSL's stumble over what an op should not lack."""
    try:
        verify()
    except (VerifyException, ValueError, AttributeError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def spoil(op: Operation, random: Random) -> None:
    """Make an op wrong, or not, in one of the ways that passes do."""
    match random.randrange(6):
        case 0 if op.properties:
            del op.properties[random.choice(list(op.properties))]
        case 1 if op.properties:
            op.properties[random.choice(list(op.properties))] = StringAttr("other")
        case 2 if op.results:
            Rewriter.replace_value_with_new_type(op.results[0], i64)
        case 3 if op.operands:
            op.operands = op.operands[1:]
        case 4 if op.operands:
            op.operands = (*op.operands, op.operands[0])
        case 5 if op.next_op is not None and isinstance(op.parent, Block):
            op.detach()
        case _:
            op.properties["unknown"] = StringAttr("other")


def test_what_verifies_does(modules: list[ModuleOp]) -> None:
    for module in modules:
        verify_module(module)


@pytest.mark.parametrize("seed", range(2))
def test_one_op_that_is_wrong_among_many(modules: list[ModuleOp], seed: int) -> None:
    random = Random(seed)
    refused = 0
    for module in modules:
        for _ in range(4):
            broken = module.clone()
            spoil(random.choice(list(broken.walk())[1:]), random)
            said = told(broken.verify)
            assert told(lambda: verify_module(broken)) == said  # noqa: B023
            refused += bool(said)
    assert refused > 8
