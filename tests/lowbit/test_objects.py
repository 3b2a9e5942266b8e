import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

import lowbit
from lowbit.cpu_check import supported
from lowering.backend.host import missing_on_host
from microkernels.isa.x86 import CPUID, CPUS, LEVELS
from microkernels.target import Target

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include "conv.h"

int main(void) {
    static uint8_t x[CONV_X_BYTES];
    static int8_t w[CONV_PACK_W_BYTES];
    static int32_t y[CONV_Y_BYTES / 4];
    static _Alignas(64) char packed[CONV_W_PACKED_BYTES], corrections[CONV_CORRECTIONS_BYTES];
    static _Alignas(64) char arena[CONV_ARENA_BYTES + 64];
    fread(x, 1, sizeof x, stdin);
    fread(w, 1, sizeof w, stdin);
    CALLS
    fwrite(y, 1, sizeof y, stdout);
    return 0;
}
"""


def test_the_object_is_the_same_every_time(tmp_path: Path) -> None:
    program = lowbit.dense((2, 40), (40, 8), "uint2", "int2")
    files = [lowbit.export(program, "x86-64-v3", tmp_path / str(i), name="d") for i in range(2)]
    assert files[0].object.read_bytes() == files[1].object.read_bytes()
    assert files[0].header.read_text() == files[1].header.read_text()
    assert files[0].symbols == ("d_pack", "d")


def test_main_becomes_network(tmp_path: Path) -> None:
    exported = lowbit.export(lowbit.dense((2, 40), (40, 8), "uint2", "int2"), directory=tmp_path)
    assert exported.object.name == "network.o"
    assert exported.symbols[-1] == "network"


AWKWARD = (
    "short",
    "Long",
    "long",
    "LONG",
    "and",
    "_Bool",
    "uint8_t",
    "uint8_t_2",
    "arena",
    "a.b",
    "a_b",
    "UINT8_MAX",
    "INT8_C",
    "NETWORK_A_B_BYTES",
    "LOWBIT_RESTRICT",
    "__LINE__",
    "7",
    "x.1",
    "x_1",
    "x1",
    "数",
    "*/",
)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("language", ["c", "c++"])
def test_any_names_make_a_header_that_compiles(tmp_path: Path, language: str) -> None:
    program = lowbit.Program()
    for name in AWKWARD:
        x = program.input((2, 3), "uint8", name=name)
    program.output(program.add(x, x))
    exported = lowbit.export(program, directory=tmp_path)
    command = [
        "cc",
        "-x",
        language,
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        exported.header,
    ]
    subprocess.run(command, check=True)


def test_each_size_has_a_macro_of_its_own(tmp_path: Path) -> None:
    program = lowbit.Program()
    x, w = program.input((2, 40), "uint2"), program.input((40, 8), "int2", name="w", constant=True)
    for name in ("pack_w", "pack_arena", "PACK_ARENA"):
        program.input((3,), "i8", name=name)
    program.output(program.dense(x, w))
    text = lowbit.export(program, directory=tmp_path, name="f").header.read_text()
    macros = re.findall(r"#define (\w+_BYTES) ", text)
    assert {"F_PACK_W_BYTES", "F_PACK_W_2_BYTES", "F_PACK_ARENA_3_BYTES"} <= set(macros)
    assert len(set(macros)) == len(macros)


@pytest.mark.parametrize("name", ["for", "class", "uint8_t", "intptr_t", "INT8_MAX"])
def test_a_keyword_names_no_function(tmp_path: Path, name: str) -> None:
    program = lowbit.dense((2, 40), (40, 8), "uint2", "int2")
    with pytest.raises(ValueError, match=f"^'{name}' is no name of a C function but a word of C"):
        lowbit.export(program, directory=tmp_path, name=name)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_c_program_links_and_agrees(tmp_path: Path) -> None:
    program = lowbit.conv2d((1, 5, 4, 33), (3, 3, 33, 20), "uint1", "odd1", padding=1)
    exported = lowbit.export(program, "host", tmp_path, name="conv")
    pointer = {"x": "x", "w": "w", "corrections": "(void *)corrections", "arena": "arena"}
    pointer |= {"w_packed": "(void *)packed", "y": "y"}
    calls: list[str] = []
    for declared in exported.header.read_text().split("void conv")[1:]:
        head, _, rest = declared.partition("(")
        names = [
            part.split("LOWBIT_RESTRICT")[1].strip() for part in rest.split(");")[0].split(",")
        ]
        calls.append(f"conv{head}({', '.join(pointer[name] for name in names)});")
    source = tmp_path / "use.c"
    source.write_text(SOURCE.replace("CALLS", "\n    ".join(calls)))
    binary = tmp_path / "use"
    flags = ["-Wall", "-Werror", "-Wno-unused-result", "-Wno-unused-variable"]
    subprocess.run(["cc", *flags, source, exported.object, "-o", binary], check=True)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (1, 5, 4, 33)).astype(np.uint8)
    w = (2 * rng.integers(0, 2, (3, 3, 33, 20)) - 1).astype(np.int8)
    done = subprocess.run(
        [binary], input=x.tobytes() + w.tobytes(), capture_output=True, check=True
    )
    y = np.frombuffer(done.stdout, np.int32).reshape(1, 5, 4, 20)
    assert np.array_equal(y, lowbit.reference(program, x, w))


@pytest.mark.parametrize("name", ["memcpy", "strange", "printf", "_hidden", "read", "isodd"])
def test_a_name_of_the_c_library_is_left_to_it(tmp_path: Path, name: str) -> None:
    program = lowbit.dense((2, 40), (40, 8), "uint2", "int2")
    with pytest.raises(ValueError, match=f"^'{name}' is reserved for the C library"):
        lowbit.export(program, directory=tmp_path, name=name)


def test_an_object_says_what_made_it_and_for_what(tmp_path: Path) -> None:
    program = lowbit.conv2d((1, 4, 4, 8), (3, 3, 8, 4), "uint1", "odd1", padding=1)
    exported = lowbit.export(program, "x86-64-v3", tmp_path, name="conv")
    told = f"lowbit {lowbit.__version__} for x86-64-v3"
    with exported.object.open("rb") as file:
        comment = ELFFile(file).get_section_by_name(".comment").data()
    assert told.encode() in comment
    text = exported.header.read_text()
    assert told in text and "CONV_ARENA_ALIGNMENT 64" in text and "supported" not in text


def test_each_layer_is_a_function_on_demand(tmp_path: Path) -> None:
    program = lowbit.Program()
    x = program.input((1, 4, 4, 32), "uint1", name="x")
    pooled = program.max_pool(program.max_pool(x, 2), 2)
    program.output(pooled)
    exported = lowbit.export(program, "x86-64-v2", tmp_path, name="net", layers=True)
    with exported.object.open("rb") as file:
        symbols = list(ELFFile(file).get_section_by_name(".symtab").iter_symbols())
    functions = {one.name: one for one in symbols if one["st_info"]["type"] == "STT_FUNC"}
    assert "net" in functions and len(functions) == 3
    assert all(one["st_size"] > 0 for one in functions.values())
    local = [name for name, one in functions.items() if one["st_info"]["bind"] == "STB_LOCAL"]
    assert len(local) == 2 and all(name.startswith("net.") for name in local)
    assert exported.symbols == ("net",)


FEATURES = """
#include <stdio.h>
{functions}
int main(void) {{
    {calls}
    return 0;
}}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_processor_is_asked_for_each_feature(tmp_path: Path) -> None:
    """One function a feature that has a bit, each with what it needs, beside what LLVM finds."""
    targets = {f: Target.parse(f"x86-64,+{f}") for f in CPUID}
    lines = [line for f in CPUID for line in supported(_named(f), targets[f])]
    calls = [f'printf("%s %d\\n", "{f}", {_named(f)}_supported());' for f in CPUID]
    source = tmp_path / "features.c"
    source.write_text(FEATURES.format(functions="\n".join(lines), calls="\n    ".join(calls)))
    binary = tmp_path / "features"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", source, "-o", binary], check=True)
    done = subprocess.run([binary], capture_output=True, text=True, check=True)
    said = dict(line.split() for line in done.stdout.splitlines())
    for feature, target in targets.items():
        assert said[feature] == str(int(not missing_on_host(target))), feature


def _named(feature: str) -> str:
    return re.sub(r"\W", "_", feature)


def test_a_feature_without_a_bit_cannot_be_checked(tmp_path: Path) -> None:
    program = lowbit.dense((2, 40), (40, 8), "uint2", "int2")
    with pytest.raises(
        ValueError, match=r"^no check is known for egpr: leave out the check, or -egpr"
    ):
        lowbit.export(program, "x86-64-v3,+egpr", tmp_path, check=True)


def test_processors_without_a_check_are_named(tmp_path: Path) -> None:
    program = lowbit.dense((2, 40), (40, 8), "uint2", "int2")
    with pytest.raises(ValueError, match=r"^no check is known for aarch64 processors: leave out"):
        lowbit.export(program, "rpi3", tmp_path, check=True)


def test_every_named_target_can_be_checked() -> None:
    for name in (*LEVELS, *CPUS):
        assert supported("f", Target.parse(name))
