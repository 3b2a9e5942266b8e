"""Functions and arguments that no program has, word for word."""

from pathlib import Path

import pytest

import lowbit

FUNCTION = "func.func @f(%x: tensor<2xi32>) {{func.return}}\n{}"
SECOND = "<text>:2:1: 'func.func' @g"
FUNCTIONS = [
    (f"func.func @g({argument}) {{func.return}}", f"{SECOND}: argument {message}")
    for argument, message in (
        ("%x: i32", "%x is i32: expected a tensor"),
        ("%x: tensor<*xi32>", "%x is tensor<*xi32>: expected a tensor"),
        ("%x: tensor<0xi32>", "%x: every extent of tensor<0xi32> is static and at least 1"),
        ("%x: tensor<?xi32>", "%x: every extent of tensor<?xi32> is static and at least 1"),
        ("%x: tensor<2xf64>", "%x: elements are codes, i8, i16, i32, i64 or f32, not f64"),
        ("%x: tensor<2xi1>", "%x: elements are codes, i8, i16, i32, i64 or f32, not i1"),
        ('%x: tensor<2xi8, "row">', '%x: a layout is a #lowbit.layout, not "row"'),
        (
            "%x: tensor<2xi8, #lowbit.layout<[d1], i8>>",
            "%x: layout [d1], i8 names an axis that a tensor of rank 1 lacks",
        ),
        (
            "%x: tensor<1099511627777xi8>",
            "%x: tensor<1099511627777xi8> takes more than a terabyte",
        ),
    )
]
FUNCTIONS += [
    (
        "func.func private @g(tensor<2xi32>)",
        f"{SECOND}: is declared without a body: give it one, or leave it out",
    ),
    (
        "func.func @g() {cf.br ^n\n^n:\nfunc.return}",
        f"{SECOND}: has 2 blocks: expected one, which ends in func.return",
    ),
    (
        "func.func @g() {cf.br ^n\n^n:\nfunc.return\n^n:\nfunc.return}",
        "<text>:5:3: block ^n is declared twice",
    ),
]
FUNCTIONS += [
    (f"func.func @g({signature} {{func.return}}", f"<text>:2:1: {message}")
    for signature, message in (
        (
            "%x: tensor<2xi8>, %w: tensor<2xi8> {lowbit.constants})",
            "argument 1 has no attribute 'lowbit.constants'; did you mean lowbit.constant?",
        ),
        (
            "%x: tensor<2xi8> {constant})",
            "argument 0 has no attribute 'constant'; did you mean lowbit.constant?",
        ),
        (
            ") attributes {lowbit.extend = 1}",
            "the function has no attribute 'lowbit.extend'; did you mean lowbit.extent?",
        ),
        (
            ") -> (tensor<2xi8> {lowbit.named = 1})",
            "result 0 has no attribute 'lowbit.named'; did you mean lowbit.name?",
        ),
    )
]
FUNCTIONS += [
    (
        f"func.func @{written}() {{func.return}}",
        f"<text>:2:1: 'func.func' @{shown}: a function is called by 1 to 200 printable characters, and "
        "not llvm.something",
    )
    for written, shown in (
        ('""', ""),
        ('"a\\0Ab"', "a; b"),
        ('"a\\00b"', "a?b"),
        ("llvm.trap", "llvm.trap"),
        ("n" * 201, "n" * 201),
    )
]
MISSPELT = {
    "%0 = lowbit.conv2 %x": "6: there is no 'lowbit.conv2'; did you mean lowbit.conv2d?",
    '%0 = "lowbt.dense"() : () -> ()': "7: there is no 'lowbt.dense'; did you mean lowbit.dense?",
    "func.retrn": "1: there is no 'func.retrn'; did you mean func.return?",
    "retun": "1: there is no 'retun'; did you mean func.return?",
    "%0 = lowbit.dense %x, %x : tensor<2x!lowbit.unt<2>>": "38: there is no 'lowbit.unt'; did you mean "
    "!lowbit.uint<...>?",
    "%0 = lowbit.dense %x, %x : tensor<2x!lowbit.uint9>": "38: there is no 'lowbit.uint9'; did you mean "
    "!lowbit.uint<...>?",
    "%0 = lowbit.dense %x, %x : tensor<2xodd1>": "37: Expected shape type; did you mean !lowbit.odd<1>?",
    "%0 = lowbit.dense %x, %x : tensor<2xi8, #lowbit.layot<[d0], i8>>": "42: there is no 'lowbit.layot'; "
    "did you mean #lowbit.layout<...>?",
    "%0 = lowbit.dense %x, %x : tensr<2xi8>": "28: type expected; did you mean tensor?",
    "%0 = lowbit.dense %x, %x : tensor<2xf33>": "37: Expected shape type; did you mean f32?",
    "%0 = arith.adddi %x, %x : i32": "6: there is no 'arith.adddi'; did you mean arith.addi?",
    '%0 = "arith\\2Eadddi"() : () -> ()': "21: there is no 'arith.adddi'; did you mean arith.addi?",
    "%0 = surprise.surprise": "6: there is no 'surprise.surprise'",
}


@pytest.mark.parametrize("line", MISSPELT)
def test_what_is_meant(line: str) -> None:
    with pytest.raises(ValueError) as caught:
        lowbit.parse(f"func.func @f(%x: tensor<2xi8>) {{\n{line}\nfunc.return\n}}")
    assert str(caught.value) == f"<text>:2:{MISSPELT[line]}"


@pytest.mark.parametrize("text", ["", "\n// nothing yet\n"])
def test_an_empty_program(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.mlir"
    path.write_text(text)
    place = f"{path}:{text.count(chr(10)) + 1}:1: "
    with pytest.raises(ValueError) as caught:
        lowbit.parse(path)
    assert (
        str(caught.value) == f"{place}the program is empty: expected func.func @NAME(...) {{...}}"
    )
    assert not hasattr(caught.value, "__notes__")


def test_what_follows_a_program() -> None:
    with pytest.raises(ValueError) as caught:
        lowbit.parse("func.func @f() {\nfunc.return\n}\n}\n")
    assert str(caught.value) == "<text>:4:1: expected an op or the end, not '}'"


def test_errors_show_the_place() -> None:
    """As notes, which tracebacks and commands print: the message stays one sentence."""
    body = "\t%0 = lowbit.reshape %x {a = 1} : tensor<2xi8> -> tensor<1x2xi8>"
    for line, shown in (
        (body, f"{body}\n\t     ^"),
        (f"{body} // {'long ' * 99}", f"{body} // {'long ' * 99}"[:100] + "\n\t     ^"),
        (f"{' ' * 99}{body}", f"{' ' * 54}{body}"[:100].rstrip() + f"\n{' ' * 54}\t     ^"),
    ):
        with pytest.raises(ValueError, match="reshape") as caught:
            lowbit.parse(f"func.func @f(%x: tensor<2xi8>) {{\n{line}\nfunc.return\n}}")
        assert caught.value.__notes__ == [shown]


@pytest.mark.parametrize(("text", "message"), FUNCTIONS, ids=[m[:60] for _, m in FUNCTIONS])
def test_functions(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        lowbit.parse(FUNCTION.format(text))
    assert str(caught.value) == message


def test_a_private_function_is_not_the_first() -> None:
    private = "func.func private @g() {func.return}"
    lowbit.compile(lowbit.parse(FUNCTION.format(private)))
    with pytest.raises(ValueError, match=r"^<text>:1:1: 'func.func' @g: is private, but the first"):
        lowbit.parse(private)


def test_inputs_that_are_wrong() -> None:
    program = lowbit.Program()
    for shape, element, layout in (
        ((2,), "f64", None),
        ((2,), "i8", lowbit.Layout.of("d1", 8)),
        ((2**41,), "i8", None),
    ):
        with pytest.raises(ValueError, match=r"^argument 'x': |^unknown element"):
            program.input(shape, element, layout=layout)
    assert not program.arguments


@pytest.mark.parametrize("mark", ["packed = 0", "arena = 9", "out = tensor<9xi32>"])
def test_what_passes_write_is_no_part_of_a_program(mark: str) -> None:
    """Believed, it gave the kernel another array, or too little scratch memory."""
    with pytest.raises(
        ValueError, match=rf"argument %x has 'lowbit.{mark.split()[0]}', which a pass writes"
    ):
        lowbit.parse(MARKED.format(f"lowbit.{mark}"))


@pytest.mark.parametrize("mark", ["packed", "arena", "out"])
def test_what_passes_write_is_well_formed(mark: str) -> None:
    with pytest.raises(ValueError, match=rf"argument 0 has an? 'lowbit.{mark}' that is no"):
        lowbit.parse(MARKED.format(f"lowbit.{mark}"))


@pytest.mark.parametrize("mark", ["inputs = []", "schedules = []", 'packing = ""'])
def test_what_passes_write_on_functions_is_no_part_of_a_program(mark: str) -> None:
    name = mark.split()[0]
    text = MARKED.format("").replace("i32> {\n", f"i32> attributes {{lowbit.{mark}}} {{\n", 1)
    with pytest.raises(
        ValueError, match=rf"@f: has 'lowbit.{name}', which a pass writes: say after"
    ):
        lowbit.parse(text)


@pytest.mark.parametrize("mark", ["byval = i32", "nest", "zeroext"])
def test_nothing_changes_how_a_function_is_called(mark: str) -> None:
    with pytest.raises(ValueError, match=r"argument %x has 'llvm\.\w+', which could change"):
        lowbit.parse(MARKED.format(f"llvm.{mark}"))


MARKED = """
func.func @f(%x: tensor<9xi32> {{{}}}) -> tensor<9xi32> {{
  %y = lowbit.add %x, %x : tensor<9xi32>, tensor<9xi32> -> tensor<9xi32>
  func.return %y : tensor<9xi32>
}}
"""
