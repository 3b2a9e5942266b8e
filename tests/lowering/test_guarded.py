"""The guards themselves: what steps over an argument is seen, and said to have."""

import pytest
from executed import worker
from guarded import Argument, Function, request, results

from lowering.backend.host import resolve_target
from lowering.backend.isolate import IsolationError, Limits

TARGET = resolve_target("x86-64")


def call(body: str, size: int, alignment: int) -> bytes:
    ir = f"""
    target triple = "{TARGET.triple}"
    define void @main(ptr %x, ptr %y) {{
      {body}
      ret void
    }}"""
    functions = [Function("main", (Argument("in", size, 1), Argument("out", size, alignment)))]
    ask = request(ir, str(TARGET), {}, functions, [[[bytes(range(size))]]])
    right, left = results(worker().call("guarded:run", ask), functions, 1)
    assert right == left
    return right[0][0]


def test_what_stays_inside_passes():
    assert call("%v = load i32, ptr %x, align 1\nstore i32 %v, ptr %y, align 1", 4, 1) == bytes(
        range(4)
    )


@pytest.mark.parametrize(
    "body",
    [
        "%p = getelementptr i8, ptr %x, i64 5\n%v = load volatile i8, ptr %p",
        "%p = getelementptr i8, ptr %x, i64 -1\n%v = load volatile i8, ptr %p",
        "%p = getelementptr i8, ptr %y, i64 5\nstore i8 0, ptr %p",
        "store i8 0, ptr %x",
    ],
    ids=["read behind", "read before", "write behind", "write to an input"],
)
def test_what_steps_outside_dies(body: str):
    with pytest.raises(IsolationError, match="SIGSEGV"):
        call(body, 5, 1)


def test_a_write_that_no_page_catches_is_found_by_its_trace():
    with pytest.raises(
        IsolationError, match=r"@main wrote outside argument 1 \(out, right-flush\)"
    ):
        call("%p = getelementptr i8, ptr %y, i64 5\nstore i8 0, ptr %p", 5, 64)


def test_a_function_that_does_not_end_is_stopped():
    ask = request(
        f'target triple = "{TARGET.triple}"\ndefine void @main(ptr %x) {{\nbr label %l\nl:\nbr label %l\n}}',
        str(TARGET),
        {},
        [Function("main", (Argument("in", 1, 1),))],
        [[[b"x"]]],
    )
    with pytest.raises(IsolationError, match="stopped after 3 s"):
        worker().call("guarded:run", ask, Limits(seconds=3))
