"""Larger and smaller floats, where a target has no instruction and LLVM would call a C library.

    %m = call T @llvm.maxnum.T(T %a, T %b)
    ->  %m.nan = fcmp uno T %a, %a      ; a NaN is passed over
        %m.a   = select %m.nan, %b, %a
        %m.is  = fcmp ogt T %b, %m.a
        %m     = select %m.is, %b, %m.a

These are the four instructions of a NEON vector; of `llvm.maximumnum` LLVM 22 makes 15 a lane there.
"""

from __future__ import annotations

import re

_CALL = re.compile(
    r'^  %(\S+) = call (<\d+ x float>|float) @"?llvm\.(max|min)num\.[^(]*\(\2 (.+), \2 (.+)\)$',
    re.M,
)


def write_out(text: str) -> str:
    """LLVM IR without calls of `llvm.maxnum` and `llvm.minnum`, of which some were not to be instructions."""
    return _CALL.sub(_compared, text)


def _compared(call: re.Match[str]) -> str:
    name, type, which, a, b = call.groups()
    bits = type.replace("float", "i1")
    nan, first, chosen = (f'%"{name}.{part}"' for part in ("nan", "a", "is"))
    return "\n".join(
        (
            f"  {nan} = fcmp uno {type} {a}, {a}",
            f"  {first} = select {bits} {nan}, {type} {b}, {type} {a}",
            f"  {chosen} = fcmp {'ogt' if which == 'max' else 'olt'} {type} {b}, {first}",
            f"  %{name} = select {bits} {chosen}, {type} {b}, {type} {first}",
        )
    )
