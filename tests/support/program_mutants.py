"""Programs that went wrong on their way: mutants of programs at every stage, through the commands.

    PYTHONPATH=.:tests/support python tests/support/program_mutants.py 5000 [FIRST]

tries any number, several seconds a hundred, in processes whose memory is bounded, and prints what falls.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from dialect_text import programs
from hostile import TOKEN, replacements

from lowbit import conv2d, import_model, parse
from lowbit.command import main as command
from lowbit.opt import main as opt
from lowbit.pipeline import STAGES, lower, passes

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGET = "x86-64-v3"
SECONDS = 5
"""Of processor time that an answer may take."""
BYTES = 4 << 30
"""Of memory that a process may take."""
BATCH = 100
"""Mutants a process."""

_WORD = re.compile(r"[\w.%@#!^$]+|[^\s\w]")
_NUMBERS = (
    "0",
    "-1",
    "255",
    "1000000",
    "4294967296",
    "18446744073709551616",
    "1e400",
    "0x7fc00000",
)


@cache
def seeds() -> tuple[list[tuple[str, list[str]]], ...]:
    """Texts and the command for each: every op, programs to compile, and programs at later stages."""
    ops = [(text, ["-p", "canonicalize,lowbit-fuse"]) for text in programs("ops.mlir")]
    layer = conv2d((1, 4, 4, 8), (3, 3, 8, 8), "uint2", "odd1", padding=1, constant=["w"])
    network = parse(EXAMPLES / "by_hand" / "classifier.mlir")
    digits = import_model(EXAMPLES / "digits" / "digits_w2a2.onnx")
    sources = [str(program) for program in (layer, network, digits)]
    whole = ["compile", "--emit", "llvm", "--target", TARGET]
    later: list[tuple[str, list[str]]] = []
    for program in (layer, network):
        for at, stage in enumerate(STAGES[:-1]):
            rest = ",".join(str(p) for s in STAGES[at + 1 :] for p in passes(s, TARGET))
            later.append((str(lower(program.module, TARGET, until=stage)), ["-p", rest]))
    return ops, [(text, whole) for text in sources], later


def mutant(number: int) -> tuple[str, list[str]]:
    """The program of a number, and its command: a few tokens, lines or characters are other ones."""
    chance = random.Random(number)
    text, arguments = chance.choice(chance.choice(seeds()))
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        text = chance.choice(DAMAGES)(chance, text)
    return text, arguments


def _other_token(chance: random.Random, text: str) -> str:
    return _replace(chance, text, TOKEN, lambda token: chance.choice(replacements(token)))


def _other_number(chance: random.Random, text: str) -> str:
    return _replace(chance, text, re.compile(r"\b\d+\b"), lambda _: chance.choice(_NUMBERS))


def _swapped_words(chance: random.Random, text: str) -> str:
    words = [match[0] for match in _WORD.finditer(text)]
    return _replace(chance, text, _WORD, lambda _: chance.choice(words))


def _lost_letter(chance: random.Random, text: str) -> str:
    at = chance.randrange(max(1, len(text)))
    return text[:at] + text[at + chance.randint(1, 3) :]


def _other_letter(chance: random.Random, text: str) -> str:
    at = chance.randrange(max(1, len(text)))
    return text[:at] + chance.choice('\0\n"<>(){}[]%@!#:,-9x\\é') + text[at + 1 :]


def _lines(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    lines[at : at + 1] = chance.choice(([], [lines[at]] * 2, [chance.choice(lines), lines[at]]))
    return "\n".join(lines)


def _cut(chance: random.Random, text: str) -> str:
    return text[: chance.randrange(len(text) + 1)]


DAMAGES = (_other_token, _other_token, _other_number, _swapped_words, _lost_letter)
DAMAGES += (_other_letter, _lines, _cut)


def _replace(
    chance: random.Random, text: str, pattern: re.Pattern[str], make: Callable[[str], str]
) -> str:
    """Replace one match; what lies in a long line is as likely as a short one."""
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    return text[: match.start()] + make(match[0]) + text[match.end() :]


def verdict(number: int) -> str | None:
    """What is wrong with the answer to a mutant; None if it is a program, or an error of one sentence."""
    text, arguments = mutant(number)
    errors, output = io.StringIO(), io.StringIO()
    with tempfile.NamedTemporaryFile("w", suffix=".mlir", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        started = time.process_time()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
            try:
                if arguments[0] == "compile":
                    code = command([arguments[0], file.name, *arguments[1:]])
                else:
                    code = opt([file.name, *arguments])
            except BaseException as error:
                return f"raises {type(error).__name__}: {error}"
        spent = time.process_time() - started
    said = errors.getvalue()
    if spent > SECONDS:
        return f"takes {spent:.0f} s"
    if code not in (0, 1) or (code == 1) != bool(said):
        return f"gives {code} and says {said[:200]!r}"
    lines = said.splitlines()
    if "internal error" in said or "Traceback" in said or len(lines) not in (0, 1, 3):
        return said
    return None


def answers(numbers: range) -> Iterator[tuple[int, str]]:
    """The mutants whose answers are wrong, tried in a process of its own."""
    script = [sys.executable, __file__, "--", str(numbers.start), str(numbers.stop)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    last = numbers.start
    for line in done.stdout.splitlines():
        number, _, wrong = line.partition(" ")
        last = int(number)
        if wrong:
            yield last, wrong
    if done.returncode:
        yield last, f"ends its process by {done.returncode}: {done.stderr[-300:]}"
        if last + 1 < numbers.stop:
            yield from answers(range(last + 1, numbers.stop))


def _child(start: int, stop: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    for number in range(start, stop):
        signal.alarm(12 * SECONDS)  # ends a process that is lost in C
        print(number, flush=True)
        if wrong := verdict(number):
            print(number, repr(wrong), flush=True)


def _main(arguments: list[str]) -> int:
    if arguments[0] == "--":
        _child(int(arguments[1]), int(arguments[2]))
        return 0
    first = int(arguments[1]) if len(arguments) > 1 else 0
    fallen = 0
    for start in range(first, first + int(arguments[0]), BATCH):
        stop = min(start + BATCH, first + int(arguments[0]))
        for number, wrong in answers(range(start, stop)):
            print(f"mutant {number}: {wrong}", flush=True)
            fallen += 1
    print(f"{arguments[0]} mutants, {fallen} fell")
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
