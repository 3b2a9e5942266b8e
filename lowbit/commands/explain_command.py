"""`lowbit explain`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from lowbit.commands.command_io import load_program, progress, read_schedule, write_json
from lowbit.explanation import Bound, Explanation, explain, stage_text


def run(given: Namespace) -> None:
    """Print what each stage made of a program."""
    program, schedule = load_program(given), read_schedule(given.schedule)
    if given.stage and given.no_ir:
        raise ValueError("--no-ir leaves out all that --stage asks for: give one of both")
    if given.stage:
        texts = {one: stage_text(program, one, given.target, schedule) for one in given.stage}
        if given.json:
            write_json({"stages": texts})
        else:
            print("\n".join(texts.values()))
        return
    with progress("compiling"):
        story = explain(program, given.target, schedule)
    if given.json:
        write_json(asdict(story) | ({"stages": {}} if given.no_ir else {}))
        return
    print("\n".join(in_words(story, with_ir=not given.no_ir)))


def _limit(bound: Bound) -> str:
    """What no schedule beats."""
    return (
        f"{bound.limit_us:g} us, set by {bound.limited_by}: {bound.intensity:g} multiply-adds a byte, "
        f"{bound.bytes} bytes in {bound.level}"
    )


def in_words(story: Explanation, *, with_ir: bool) -> list[str]:
    """The explanation as lines for a person."""
    lines: list[str] = []
    for layer in story.layers:
        lines += [
            layer.op,
            f"  fused        {', '.join(layer.fused) or 'nothing'}",
            f"  accumulator  {layer.accumulator}",
            f"  input        {layer.input}",
            f"  weights      {layer.weights}",
            f"  output       {layer.output}",
            f"  schedule     {layer.schedule}",
            f"  limit        {_limit(layer.bound)}",
        ]
    lines += [f"{op} stands alone: {reason}" for op, reason in story.not_fused]
    lines += list(story.conversions)
    lines.append(f"arena of {story.arena_bytes} bytes")
    if with_ir:
        for stage, text in story.stages.items():
            lines += ["", f"// after {stage}" if stage != "source" else "// source", text]
    return lines
