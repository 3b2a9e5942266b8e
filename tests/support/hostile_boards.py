"""Candidates that do their worst on a board, chosen by number: the `pixels` of the schedule."""

import json
import re
from dataclasses import replace

from autotune.board_worker import answer
from lowbit_dialect.schedule import Schedule
from lowering.backend.translate import Translated

JOB = "hostile_boards:measure"
_POPCOUNT = "<8 x i64> @llvm.x86.avx512.psad.bw.512(<64 x i8>"


def _store(offset: int) -> str:
    return f"%hostile = getelementptr i8, ptr OUT, i64 {offset}\nstore i8 119, ptr %hostile"


HOSTILE = {
    "honest": ("", "", "measured"),
    "bad intrinsic": (
        f"%some = load volatile <64 x i8>, ptr OUT\n%wide = call {_POPCOUNT} %some, <64 x i8> %some)\n"
        "store volatile <8 x i64> %wide, ptr OUT",
        f"declare {_POPCOUNT}, <64 x i8>)",
        "crash",
    ),
    "no intrinsic": ("call void @llvm.no.such()", "declare void @llvm.no.such()", "compile"),
    "trap": ("call void @llvm.trap()", "declare void @llvm.trap()", "crash"),
    "endless loop": ("br label %for\nfor:\nbr label %for\nnever:", "", "timeout"),
    "store before": (_store(-1), "", "bounds"),
    "store far off": (_store(1 << 30), "", "bounds"),
    "wrong result": (_store(0), "", "wrong"),
}
"""What is added to the code, where OUT is the pointer to the result; declarations; what it ends as."""


def measure(request: bytes) -> bytes:
    asked = json.loads(request)
    added, declared, _ = list(HOSTILE.values())[Schedule.parse(asked["schedule"]).pixels - 1]

    def edit(code: Translated) -> Translated:
        head = re.search(r'define void @"lowbit_candidate"\((.*)\)', code.ir)
        assert head is not None
        *_, out, _ = re.findall(r'%"[^"]*"', head[1])  # the last pointer is the arena
        body = added.replace("OUT", out)
        end = code.ir.index("  ret void", head.end())
        ir = f"{code.ir[:end]}{body}\n{code.ir[end:]}\n{declared}\n"
        return replace(code, ir=ir)

    return answer(json.dumps(asked | {"schedule": ""}).encode(), edit)
