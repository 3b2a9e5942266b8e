"""Passes of xDSL in one walk: their text is that of xDSL's own drivers."""

from collections.abc import Callable

import pytest
from programs import Net
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.transforms.convert_scf_to_cf import ConvertScfToCf
from xdsl.transforms.reconcile_unrealized_casts import ReconcileUnrealizedCastsPass

from autotune.plan import LowbitPlanPass
from lowbit.registry import context
from lowbit.source import parse_source
from lowbit_dialect.ops.pool import MaxPoolOp
from lowering.llvm.pipeline import to_llvm
from lowering.lowbit_bufferize import LowbitBufferizePass
from lowering.lowbit_expand_microkernels import LowbitExpandMicrokernelsPass
from lowering.lowbit_pack import LowbitPackPass
from lowering.lowbit_tile import LowbitTilePass

TARGET = "x86-64-v3"
STOCK: dict[str, ModulePass] = {
    one.name: one for one in (ConvertScfToCf(), ReconcileUnrealizedCastsPass())
}
NESTED = """
func.func @nested(%n: index, %c: i1, %x: memref<8xi32>) -> i32 {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %dead = arith.addi %n, %n : index
  %start = arith.constant 1 : i32
  %r = scf.for %i = %zero to %n step %one iter_args(%a = %start) -> (i32) {
    %s = scf.if %c -> (i32) {
      %t = scf.index_switch %i -> i32
      case 2 { scf.yield %a : i32 }
      default { scf.yield %start : i32 }
      scf.yield %t : i32
    } else {
      %v = memref.load %x[%i] : memref<8xi32>
      scf.yield %v : i32
    }
    scf.yield %s : i32
  }
  func.return %r : i32
}
"""


def network() -> ModuleOp:
    """Borders, tails, an epilogue and a pool."""
    net = Net()
    x, w = net.input((1, 5, 7, 33), "uint2"), net.input((3, 3, 33, 17), "odd1", constant=True)
    y = net.conv2d(x, w, padding=(1, 1, 1, 1))
    return net.module(net.add(MaxPoolOp(y, (2, 2))))


def nested() -> ModuleOp:
    return parse_source(NESTED, "text", context())


@pytest.mark.parametrize("make", [network, nested])
def test_the_text_is_that_of_the_stock_passes(make: Callable[[], ModuleOp]) -> None:
    ours, stock = make(), make()
    before = (
        LowbitPlanPass(TARGET),
        LowbitPackPass(TARGET),
        LowbitBufferizePass(),
        LowbitTilePass(TARGET),
        LowbitExpandMicrokernelsPass(TARGET),
    )
    for one in (*(before if make is network else ()), *to_llvm()):
        one.apply(Context(), ours)
        STOCK.get(one.name, one).apply(Context(), stock)
        assert str(ours) == str(stock), one.name
    assert {op.name.partition(".")[0] for op in ours.body.block.ops} == {"llvm"}
