"""Programs some stages down: text of any stage runs, as it is or as somebody's own passes leave it.

IR from stage `plan` on says on its module what it is and how it is called, since that cannot be told from
it any more: `builtin.module attributes {lowbit.stage = "loops", lowbit.code = "{...}"}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html import escape

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.llvm import FuncOp as LLVMFuncOp
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import parse_pipeline
from xdsl.utils.exceptions import VerifyException

from lowbit.argument_checks import instance
from lowbit.code_generation import Code, descend, resolve
from lowbit.frozen import from_json, to_json
from lowbit.pipeline import Stage, check_stage, run_pass
from lowbit.program import STAGE, Program
from lowbit.registry import find_pass
from lowbit.signature import Input, arena_bytes, functions_of
from lowbit.source import verify
from lowbit_dialect.layout import storage_of
from lowbit_dialect.ops.common import shaped
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target

CODE = "lowbit.code"


class Lowered(Program):
    """A program after one of the stages from `plan` on; it is compiled from there, and has no reference."""

    def __init__(self, module: ModuleOp):  # pyright: ignore[reportMissingSuperCall]
        """Raises ValueError for a module whose attributes are not what `stamped` writes."""
        self.module = module
        stage, code = (module.attributes.get(name) for name in (STAGE, CODE))
        if not isinstance(stage, StringAttr) or not isinstance(code, StringAttr):
            raise ValueError(f"a lowered module has '{STAGE}' and '{CODE}', both text")
        self.stage: Stage = check_stage(stage.data)
        try:
            self.code: Code = from_json(Code, json.loads(code.data))
            self.code.signature.verify()
        except (ValueError, RecursionError) as error:
            raise ValueError(f"'{CODE}' cannot be read: {error}") from error
        if self.stage not in ("plan", "llvm"):  # other tools may have come by an arena
            arenas = {name: arena_bytes(func) for name, func in functions_of(module).items()}
            self.code = replace(self.code, signature=self.code.signature.with_arenas(arenas))
        self._check_functions()

    def _check_functions(self) -> None:
        """Raise ValueError unless the functions take the memory that the signature says."""
        signature = self.code.signature
        functions = {
            op.sym_name.data: op for op in self.module.ops if isinstance(op, FuncOp | LLVMFuncOp)
        }
        for one in filter(None, (signature.main, signature.pack)):
            func = functions.get(one.symbol)
            if func is None or not func.body.blocks:
                raise ValueError(f"stage '{self.stage}' has no function @{one.symbol}")
            types = [value.type for value in func.body.blocks[0].args]
            wanted = [*(p.type for p in one.parameters), *one.results]
            if self.stage == "plan":
                wanted = wanted[: len(one.parameters)]
            elif one.arena:
                types = types[:-1]
            if self.stage == "llvm":
                fits = len(types) == len(wanted)
            else:
                held = [storage_of(shaped(value)) for value in func.body.blocks[0].args]
                fits = held[: len(types)] == [storage_of(type) for type in wanted]
            if not fits:
                raise ValueError(f"@{one.symbol} takes other arguments than '{CODE}' says")

    def __repr__(self) -> str:
        return f"<Program {self.name} after stage {self.stage}>"

    def _repr_html_(self) -> str:
        return escape(repr(self))

    @property
    def name(self) -> str:
        return self.code.signature.main.symbol

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the program that this comes from."""
        return self.code.signature.inputs

    @property
    def argument_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.inputs)

    @property
    def constant_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.inputs if one.constant)

    @property
    def result_names(self) -> tuple[str, ...]:
        return self.code.signature.main.result_names


def as_written(program: Program) -> Program:
    """The program; raises ValueError if some stages are behind it, for what can take none of these."""
    if isinstance(program, Lowered):
        raise ValueError(
            f"the program is after stage '{program.stage}': give it as it was before, as written"
        )
    return program


def program_of(module: ModuleOp, stage: str | None = None) -> Program:
    """The program of a module, which may be some stages down; `stage` says otherwise than it does."""
    if STAGE not in module.attributes:
        if stage is not None:
            raise ValueError(
                f"the program does not say how it is called, which only what lowbit prints after '{stage}' "
                "does: give that, or leave out the stage"
            )
        return Program(module)
    if stage is not None:
        module.attributes[STAGE] = StringAttr(check_stage(stage))
    return Lowered(module)


def stage_of(
    program: Program,
    target: str | Target = "host",
    schedule: str | Schedule = "default",
    until: Stage = "llvm",
    *,
    threads: int = 1,
    verify_each: bool = False,
) -> ModuleOp:
    """A program after a stage, from which it can be compiled; raises ValueError naming the op."""
    machine = resolve(target)
    module, code = descend(
        program, machine, schedule, until, threads=threads, verify_each=verify_each
    )
    if code is not None:
        module.attributes[STAGE] = StringAttr(until)
        module.attributes[CODE] = StringAttr(json.dumps(to_json(code, Code)))
    return module


def after_passes(program: Program, passes: Sequence[ModulePass | str]) -> Program:
    """A program after passes of one's own, at whatever stage it is.

    A pass is an instance, or text as `lowbit-opt -p` takes it, with those of installed packages. Raises
    ValueError naming the pass that fails, or after which the program does not verify.
    """
    instance("program", program, Program)
    if isinstance(passes, str):
        passes = [passes]
    steps: list[ModulePass] = []
    for one in passes:
        if isinstance(one, str):
            steps += [find_pass(spec) for spec in parse_pipeline(one)]
        else:
            steps.append(instance("a pass", one, ModulePass))
    if not steps:
        return program
    module = program.module.clone()
    for one in steps:
        try:
            run_pass(one, module)
            verify(module)
        except (VerifyException, ValueError) as error:
            raise ValueError(f"pass '{one.name}': {error}") from error
    return program_of(module)
