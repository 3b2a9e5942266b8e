"""What a person reads of text that is no program, word for word."""

from collections.abc import Callable

import pytest

import lowbit

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: lowbit.parse("func.func @f(\n"), "<text>:2:1: Expected argument or type"),
    (
        lambda: lowbit.parse(f'func.func @f() {{\n  lowbit.constant dense<"0x{"0" * 100}'),
        "<text>:2:25: a string literal starts here and does not end on its line",
    ),
    (
        lambda: lowbit.parse("func.func @f(%x: tensor<2xi4294967296>) {func.return}"),
        "<text>:1:27: no integer has 4294967296 bits",
    ),
    (
        lambda: lowbit.parse("func.func @f() {\n  %0 = nothing.at_all()\n}"),
        "<text>:2:8: there is no 'nothing.at_all'",
    ),
    (
        lambda: lowbit.parse("builtin.module {}"),
        "the program has no function: expected func.func @NAME(...) {...}",
    ),
    (
        lambda: lowbit.parse("func.func @f(%x: tensor<2x!lowbit.uint<9>>) {\n  func.return\n}"),
        "<text>:1:42: lowbit.uint has 1 to 8 bits, not 9",
    ),
    (
        lambda: lowbit.parse(
            "func.func @f(%x: tensor<2x!lowbit.uint<1>, #lowbit.layout<[d0 by 8], i9>>) {func.return}"
        ),
        "<text>:1:72: a word is i8, i16, i32, i64 or f32, not i9",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[m[:40] for _, m in WRONG])
def test_text_that_is_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


def test_a_message_moves_no_cursor() -> None:
    with pytest.raises(ValueError) as caught:
        lowbit.parse('func.func @f() {\n"test.\x1b[31m"() : () -> ()\n}')
    assert str(caught.value) == "<text>:2:2: there is no 'test.?[31m'"
