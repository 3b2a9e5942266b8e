"""Names that LLVM must know, features that it must not add, IR that it must refuse."""

import random
import re
import subprocess
import sys
from collections.abc import Iterable

import llvmlite.binding as llvm
import pytest

from lowering.backend.isolate import Worker, emit_object_isolated
from lowering.backend.machine import (
    BackendError,
    feature_string,
    generate_assembly,
    parse_module,
)
from lowering.backend.translate import Translated
from microkernels.isa import aarch64, x86
from microkernels.isa.architecture import Architecture
from microkernels.target import ARCHITECTURES, TARGETS, Target

HELP = """
import sys
from lowering.backend import machine
machine._initialise()
machine._llvm.Target.from_triple(sys.argv[1]).create_target_machine(features="+help")
"""
POPCOUNT = """
define <8 x i64> @popcount(<8 x i64> %x) {attributes} {{
  %y = call <8 x i64> @llvm.ctpop.v8i64(<8 x i64> %x)
  ret <8 x i64> %y
}}
"""


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


@pytest.fixture(scope="module")
def known(architecture: Architecture) -> tuple[set[str], set[str]]:
    """The processors and the features that LLVM itself lists."""
    command = [sys.executable, "-c", HELP, f"{architecture.name}-unknown-linux-gnu"]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    cpus, _, features = child.stderr.partition("Available features")
    return tuple(set(re.findall(r"^  (\S+) +- ", part, re.MULTILINE)) for part in (cpus, features))


def test_llvm_knows_every_processor(architecture: Architecture, known: tuple[set[str], set[str]]):
    assert set(architecture.cpus) <= known[0]


def test_llvm_knows_every_feature(architecture: Architecture, known: tuple[set[str], set[str]]):
    assert set(architecture.features) <= known[1]


def test_every_instruction_set_that_llvm_may_find_in_a_processor_is_ours_to_refuse():
    detectable = set(llvm.get_host_cpu_features()) - {"64bit"}
    assert detectable <= set(x86.FEATURES)


def _inlined(caller: str, callee: str, triple: str = "x86_64-unknown-linux-gnu") -> bool:
    """Ask LLVM's inliner whether code with attributes `callee` may stand in code with `caller`."""
    module = parse_module(f"""
        target triple = "{triple}"
        define internal i32 @callee(i32 %x) #0 {{
          %y = mul i32 %x, %x
          ret i32 %y
        }}
        define i32 @caller(i32 %x) #1 {{
          %y = call i32 @callee(i32 %x)
          ret i32 %y
        }}
        attributes #0 = {{ {callee} }}
        attributes #1 = {{ {caller} }}
    """)
    machine = llvm.Target.from_triple(triple).create_target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return "@callee(" not in str(module.get_function("caller"))


def _attributes(cpu: str, features: Iterable[str]) -> str:
    return f'"target-cpu"="{cpu}" "target-features"="{",".join(features)}"'


@pytest.mark.parametrize("cpu", list(x86.CPUS))
def test_llvm_agrees_on_what_each_processor_has(cpu: str):
    features = (f"+{f}" for f in Target.parse(cpu).features)
    assert _inlined(f'"target-cpu"="{cpu}"', _attributes("x86-64", features))


@pytest.mark.parametrize("cpu", list(aarch64.CPUS))
def test_llvm_agrees_on_what_each_processor_of_arm_has(cpu: str):
    """Of one processor with another's tuning LLVM inlines nothing, so both have this one's."""
    target = Target.parse(cpu)
    features = (f"+{f}" for f in target.features)
    assert _inlined(f'"target-cpu"="{cpu}"', _attributes(cpu, features), target.triple)


@pytest.mark.parametrize("feature", list(aarch64.FEATURES))
def test_llvm_agrees_on_what_each_feature_of_arm_needs(feature: str):
    triple, off = TARGETS["rpi3"].triple, [f"-{f}" for f in aarch64.BASE]
    needed = Target.parse(f"rpi3,+{feature}").features
    for other in aarch64.FEATURES:
        one, two = (_attributes("generic", (*off, f"+{name}")) for name in (feature, other))
        if other not in aarch64.BASE:
            assert _inlined(one, two, triple) == (other in needed), other


def test_the_inliner_is_a_test():
    assert not _inlined('"target-cpu"="znver3"', _attributes("x86-64", ["+avx512f"]))
    assert not _inlined(
        '"target-cpu"="cortex-a53"', _attributes("cortex-a53", ["+sve"]), TARGETS["rpi3"].triple
    )


def test_features_that_are_off_stay_off_whatever_the_processor():
    target = Target.parse("x86-64-v3,cpu=znver5")
    attributes = f'"target-cpu"="znver5" "target-features"="{feature_string(target)}"'
    head = f'target triple = "{target.triple}"\ndeclare <8 x i64> @llvm.ctpop.v8i64(<8 x i64>)\n'
    text = generate_assembly(head + POPCOUNT.format(attributes=attributes), target)
    assert "zmm" not in text and "vpopcnt" not in text
    assert "vpopcntq" in generate_assembly(
        head + POPCOUNT.format(attributes=""), Target.parse("znver5")
    )


@pytest.mark.parametrize(
    ("ir", "message"),
    [
        ("define i32 @f( { ret i32 0 }", "LLVM refuses the module"),
        ("define i32 @f() { ret i64 0 }", "value doesn't match function result type"),
        (
            "define i32 @f(i1 %c) { br i1 %c, label %a, label %b\na: %x = add i32 1, 2\n"
            "br label %b\nb: ret i32 %x }",
            "does not dominate",
        ),
    ],
)
def test_bad_ir_is_refused_before_code_generation(ir: str, message: str):
    with pytest.raises(BackendError, match=message):
        parse_module(ir)


def test_ir_for_another_triple_is_refused():
    with pytest.raises(BackendError, match="the module is for aarch64-unknown-linux-gnu"):
        generate_assembly('target triple = "aarch64-unknown-linux-gnu"', TARGETS["x86-64"])


VARIED = """
target triple = "{triple}"
define float @f(ptr %p, ptr %q, float %s, double %d) {attributes} {{
  %a = load <16 x i32>, ptr %p
  %b = call <16 x i32> @llvm.ctpop.v16i32(<16 x i32> %a)
  %f = sitofp <16 x i32> %b to <16 x float>
  %i = fptosi <16 x float> %f to <16 x i32>
  store <16 x i32> %i, ptr %q
  %n = fptrunc double %d to float
  %y = fadd float %n, %s
  ret float %y
}}
declare <16 x i32> @llvm.ctpop.v16i32(<16 x i32>)
"""


def _drawn(random: random.Random) -> str:
    """A target's text: any name, some overrides that may or may not be legal."""
    feature, cpu = (random.choice([*table]) for table in (x86.FEATURES, x86.CPUS))
    systems = ("linux", "freebsd", "none", "uefi", "windows", "darwin", "cuda")
    abis = ("gnu", "musl", "gnux32", "muslx32", "elf", "msvc", "macho", "eabi")
    triple = f"x86_64-{random.choice(('unknown', 'apple', 'scei'))}"
    overrides = [
        f"+{feature}",
        f"-{feature}",
        f"-{random.choice(x86.LEVELS['x86-64'])}",
        f"cpu={cpu}",
        f"vector_bits={random.choice((64, 256, 512))}",
        f"triple={triple}-{random.choice(systems)}-{random.choice(abis)}",
    ]
    return ",".join([random.choice([*x86.LEVELS, cpu]), *random.sample(overrides, 2)])


def test_no_target_that_can_be_written_ends_llvm():
    """What a target may lack LLVM does without; what it may not is refused as it is read."""
    drawn, done = random.Random(0), 0
    with Worker() as worker:
        for text in (_drawn(drawn) for _ in range(300)):
            try:
                target = Target.parse(text)
            except ValueError:
                continue
            attributes = f'"target-cpu"="{target.cpu}" "target-features"="{feature_string(target)}"'
            code = Translated(VARIED.format(triple=target.triple, attributes=attributes), {})
            assert emit_object_isolated(code, target, worker=worker).startswith(b"\x7fELF"), text
            done += 1
    assert done > 50
