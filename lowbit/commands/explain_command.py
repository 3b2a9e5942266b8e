"""`lowbit explain`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from lowbit.commands.command_io import load_program, progress, schedule_of, write_json
from lowbit.explanation import Bound, Chosen, Explanation, explain, stage_text
from lowbit.forecast import Forecast


def run(given: Namespace) -> None:
    """Print what each stage made of a program."""
    program, schedule = load_program(given), schedule_of(given)
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


def _predicted(forecast: Forecast) -> list[str]:
    """What the model says of the schedule."""
    parts = ", ".join(f"{name} {us:g}" for name, us in forecast.parts.items())
    lines = [
        f"  predicted    {forecast.us:g} us ({parts}), bound by {forecast.binds}: "
        f"{forecast.reachable:.0%} of the limit at best"
    ]
    for one in forecast.reuses:
        lines.append(
            f"  {one.level:12} holds {one.working_set} bytes of {one.loops}; {one.incoming} bytes come and go"
        )
    return lines


def _chosen(chosen: Chosen) -> list[str]:
    """What the exact selection came to."""
    least, most = min(chosen.choices, default=0), max(chosen.choices, default=0)
    told = (
        f"selected     {chosen.predicted_us:g} us predicted, at least {chosen.bound_us:g}: of {least} to "
        f"{most} choices a layer, solved in {chosen.solved_ms:g} ms"
    )
    return [told, *(f"  pinned     {op}: {lost:+g} us" for op, lost in chosen.pins)]


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
            *(_predicted(layer.forecast) if layer.forecast else ()),
        ]
    lines += [f"{op} stands alone: {reason}" for op, reason in story.not_fused]
    lines += list(story.conversions)
    lines.append(f"arena of {story.arena_bytes} bytes")
    lines += _chosen(story.chosen) if story.chosen else ()
    if with_ir:
        for stage, text in story.stages.items():
            lines += ["", f"// after {stage}" if stage != "source" else "// source", text]
    return lines
