import ctypes

import pytest
from llvm_jit import Jit, assert_converts, convert, parse
from xdsl.utils.exceptions import PassFailedException

from lowering.llvm.convert_cf_to_llvm import ConvertCfToLLVMPass


def test_branches_retype_the_blocks_they_lead_to():
    assert_converts(
        ConvertCfToLLVMPass(),
        """
        func.func @f(%n: index, %c: i1) {
          cf.br ^bb1(%n : index)
        ^bb1(%i: index):
          cf.cond_br %c, ^bb1(%i : index), ^bb2
        ^bb2:
          func.return
        }
        """,
        """
        func.func @f(%n: index, %c: i1) {
          %n_1 = builtin.unrealized_conversion_cast %n : index to i64
          llvm.br ^bb1(%n_1 : i64)
        ^bb1(%i: i64):
          %i_1 = builtin.unrealized_conversion_cast %i : i64 to index
          llvm.cond_br %c, ^bb1(%i : i64), ^bb2
        ^bb2:
          func.return
        }
        """,
    )


def test_arms_that_meet_become_a_selection():
    text = """
    func.func @f(%c: i1, %a: i32, %b: i32) -> i32 {
      cf.cond_br %c, ^bb1(%a : i32), ^bb1(%b : i32)
    ^bb1(%r: i32):
      func.return %r : i32
    }"""
    f = Jit(text).function("f", ctypes.c_int32, ctypes.c_bool, ctypes.c_int32, ctypes.c_int32)
    assert (f(True, 3, 4), f(False, 3, 4)) == (3, 4)


@pytest.mark.parametrize("flag", ["i32", "index"])
def test_switch_is_a_chain_of_comparisons(flag: str):
    text = f"""
    func.func @f(%n: {flag}, %a: i32, %b: i32) -> i32 {{
      cf.switch %n : {flag}, [
        default: ^bb1(%a : i32),
        7: ^bb1(%b : i32),
        -1: ^bb2,
        9: ^bb2
      ]
    ^bb1(%r: i32):
      func.return %r : i32
    ^bb2:
      func.return %a : i32
    }}"""
    n = ctypes.c_int64 if flag == "index" else ctypes.c_int32
    f = Jit(text).function("f", ctypes.c_int32, n, ctypes.c_int32, ctypes.c_int32)
    assert [f(n, 3, 4) for n in (7, -1, 9, 0)] == [4, 3, 3, 3]


def test_nested_loops_and_branches_run():
    text = """
    func.func @f(%n: index) -> i64 {
      %0 = arith.constant 0 : index
      %1 = arith.constant 1 : index
      %zero = arith.constant 0 : i64
      %s = scf.for %i = %0 to %n step %1 iter_args(%a = %zero) -> (i64) {
        %t = scf.for %j = %0 to %i step %1 iter_args(%b = %a) -> (i64) {
          %c = arith.cmpi ult, %j, %1 : index
          %d = scf.if %c -> (i64) {
            %p = arith.index_cast %i : index to i64
            scf.yield %p : i64
          } else {
            %q = arith.index_cast %j : index to i64
            scf.yield %q : i64
          }
          %e = arith.addi %b, %d : i64
          scf.yield %e : i64
        }
        scf.yield %t : i64
      }
      func.return %s : i64
    }"""
    f = Jit(text).function("f", ctypes.c_int64, ctypes.c_int64)
    expected = [sum(j or i for i in range(n) for j in range(i)) for n in range(9)]
    assert [f(n) for n in range(9)] == expected


def test_index_switch_runs():
    text = """
    func.func @f(%n: index) -> i32 {
      %r = scf.index_switch %n -> i32
      case 2 {
        %a = arith.constant 20 : i32
        scf.yield %a : i32
      }
      case 5 {
        %b = arith.constant 50 : i32
        scf.yield %b : i32
      }
      default {
        %c = arith.constant 0 : i32
        scf.yield %c : i32
      }
      func.return %r : i32
    }"""
    f = Jit(text).function("f", ctypes.c_int32, ctypes.c_int64)
    assert [f(n) for n in (1, 2, 5)] == [0, 20, 50]


def test_assertions_are_refused():
    text = """
    func.func @f(%c: i1) {
      cf.assert %c, "never"
      func.return
    }"""
    with pytest.raises(PassFailedException, match=r"cf.assert in @f: .* check before the call"):
        convert(parse(text), [ConvertCfToLLVMPass()])
