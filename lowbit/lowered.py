"""Programs some stages down: text of any stage runs, as it is or as somebody's own passes leave it.

Passes from `lowbit-pack` on note on functions how they are called (`lowbit_dialect.interface`). What lowbit
prints says which stage it is after, too: `builtin.module attributes {lowbit.stage = "loops"}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.llvm import LLVMPointerType
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import parse_pipeline
from xdsl.utils.exceptions import VerifyException

from lowbit.argument_checks import instance
from lowbit.errors import place_of
from lowbit.pipeline import Stage, check_stage, run_pass
from lowbit.program import STAGE, Program
from lowbit.registry import find_pass
from lowbit.signature import signature_of
from lowbit.source import verify
from lowbit_dialect.attributes import INPUTS, TARGET, check_function
from lowbit_dialect.interface import (
    Input,
    argument_types,
    check_interface,
    functions_of,
    main_of,
    results_of,
    stores,
)
from microkernels.target import Target


class Lowered(Program):
    """A program after one of the stages from `plan` on; it is compiled from there, and has no reference."""

    def __init__(self, module: ModuleOp):  # pyright: ignore[reportMissingSuperCall]
        """Raises ValueError for a module that does not say what passes write, or says what it is not."""
        self.module = module
        stage, target = (module.attributes.get(name) for name in (STAGE, TARGET))
        callable = main_of(module) is not None
        if not (callable and isinstance(stage, StringAttr) and isinstance(target, StringAttr)):
            raise ValueError(
                f"the program does not say how it is called, which '{STAGE}' and '{TARGET}' of a module and "
                f"'{INPUTS}' of a function do: give what lowbit prints after 'plan' or later"
            )
        self.stage: Stage = check_stage(stage.data)
        self.target = Target.parse(target.data)
        """What it was packed for."""
        for func in functions_of(module).values():
            try:
                check_function(func)
                check_interface(func)
            except VerifyException as error:
                raise ValueError(f"{place_of(func)} @{func.sym_name.data}: {error}") from error
        self.signature = signature_of(module)
        self._check_functions()

    def _check_functions(self) -> None:
        """Raise ValueError unless the functions take the memory that the signature says."""
        functions = functions_of(self.module)
        for one in filter(None, (self.signature.main, self.signature.pack)):
            func = functions[one.symbol]
            types = argument_types(func)
            fits = len(types) == one.pointers - len(results_of(func)) and bool(func.body.blocks)
            for type, parameter in zip(types, one.parameters):
                fits &= isinstance(type, LLVMPointerType) or stores(type, parameter.type)
            if not fits:
                raise ValueError(f"@{one.symbol} takes other arguments than its attributes say")

    def __repr__(self) -> str:
        return f"<Program {self.name} after stage {self.stage}>"

    def _repr_html_(self) -> str:
        return escape(repr(self))

    @property
    def name(self) -> str:
        return self.signature.main.symbol

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the program that this comes from."""
        return self.signature.inputs

    @property
    def argument_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.inputs)

    @property
    def constant_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.inputs if one.constant)

    @property
    def result_names(self) -> tuple[str, ...]:
        return self.signature.main.result_names


def as_written(program: Program) -> Program:
    """The program; raises ValueError if some stages are behind it, for what can take none of these."""
    if isinstance(program, Lowered):
        raise ValueError(
            f"the program is after stage '{program.stage}': give it as it was before, as written"
        )
    return program


def program_of(module: ModuleOp, stage: str | None = None) -> Program:
    """The program of a module, which may be some stages down; `stage` says otherwise than it does."""
    if stage is not None:
        module.attributes[STAGE] = StringAttr(check_stage(stage))
    return Lowered(module) if STAGE in module.attributes else Program(module)


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
