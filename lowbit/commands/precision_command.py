"""`lowbit precision`."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from lowbit.array_files import load_arrays
from lowbit.budget.page import page
from lowbit.budget.precision import precision
from lowbit.code_generation import resolve
from lowbit.commands.command_io import progress, require_writable, write_json, write_text
from lowbit_dialect.layout import Array


def run(given: Namespace) -> None:
    """Search for bits, and print what was found."""
    require_writable(given.report, given.output)
    inputs, labels = read_data(given.data, given.white)
    budget, bits, target = read_share(given.budget), read_bits(given.bits), resolve(given.target)
    with progress("measuring") as advance:
        found = precision(
            given.model,
            inputs,
            labels,
            budget,
            bits=bits,
            target=target,
            progress=advance,
        )
    if given.output is not None:
        write_text(str(found.program), given.output)
    if given.report is not None:
        write_text(page(str(target), given.model, found), given.report)
    if given.json:
        write_json({"target": str(target), **found.to_json()})
    else:
        print(found)


def read_data(path: str, white: float) -> tuple[Array, Array]:
    """Inputs and labels from an .npz file; raises ValueError naming what is missing."""
    arrays = load_arrays(path)
    names = sorted(arrays) if isinstance(arrays, dict) else []
    if not isinstance(arrays, dict) or len(names) != 2 or "labels" not in names:
        listed = ", ".join(names) or "one array without a name"
        raise ValueError(f"{path}: expected `labels` and one array of inputs, not {listed}")
    (inputs,) = (arrays[name] for name in names if name != "labels")
    if not white > 0:
        raise ValueError(f"--white is a number above 0, not {white}")
    if white != 1:
        inputs = inputs.astype(np.float32) / np.float32(white)
    return inputs, arrays["labels"]


def read_share(text: str) -> float:
    """A share, from `0.5%` or `0.005`."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"--budget is a share such as 0.5% or 0.005, not '{text:.40}'") from None


def read_bits(text: str) -> list[int]:
    """Whole numbers between commas."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"--bits is a list such as 2,3,4, not '{text:.40}'")
    return list(map(int, parts))
