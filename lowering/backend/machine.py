"""LLVM set up for a target: the machine that generates code, and modules that are safe to give it.

LLVM's own passes over IR do not run: on C2 they took 30 ms of 117 and gained nothing.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, cast

from llvmlite import binding

from microkernels.target import Target

_llvm = cast(Any, binding)


class BackendError(Exception):
    """LLVM cannot make code of a module; the message says why in a sentence."""


def feature_string(target: Target) -> str:
    """Spell every feature of the architecture as on or off, so that the processor's name adds none.

    Removals come first: LLVM takes away what needs a removed feature, and adds what an added one needs.
    """
    has, lacks = (f"+{f}" for f in target.features), (f"-{f}" for f in target.disabled())
    return ",".join([*lacks, *has, *target.architecture.tuning.split()])


def data_layout(target: Target) -> str:
    """LLVM's data layout string of a target."""
    return _data_layout(target.triple)


@cache
def _data_layout(triple: str) -> str:
    _initialise()
    return str(_llvm.Target.from_triple(triple).create_target_machine().target_data)


def llvm_version() -> str:
    """LLVM's own version, which decides the code as much as ours does."""
    return ".".join(str(part) for part in _llvm.llvm_version_info)


def target_machine(target: Target) -> Any:
    """Create LLVM's machine: optimised code, position independent, within 2 GB. ORC takes ownership."""
    _initialise()
    return _llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=feature_string(target),
        opt=3,
        reloc="pic",
        # The default, meant for MCJIT, is "large" and reaches every symbol through a register.
        codemodel="small",
    )


def parse_module(ir: str) -> Any:
    """Parse and verify LLVM IR; what is not verified can abort the process in code generation."""
    _initialise()
    try:
        # A context of its own is freed with the module; the global one only grows.
        module = _llvm.parse_assembly(ir, context=_llvm.create_context())
        module.verify()
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise BackendError(f"LLVM refuses the module: {' '.join(lines[:2])[:300]}") from None
    return module


def generate_object(ir: str, target: Target) -> bytes:
    """Generate the object of LLVM IR; what the target cannot do ends the process."""
    module, machine = _prepare(ir, target)
    return bytes(machine.emit_object(module))


def generate_assembly(ir: str, target: Target) -> str:
    """Generate the assembly text of LLVM IR; what the target cannot do ends the process."""
    module, machine = _prepare(ir, target)
    return str(machine.emit_assembly(module))


def generate_requested_object(request: bytes) -> bytes:
    """Do `generate_object` in a worker: its arguments come as JSON, `ir` and `target`."""
    arguments = cast(dict[str, Any], json.loads(request))
    return generate_object(arguments["ir"], Target.parse(arguments["target"]))


def _prepare(ir: str, target: Target) -> tuple[Any, Any]:
    module, machine = parse_module(ir), target_machine(target)
    if module.triple != target.triple:
        raise BackendError(f"the module is for {module.triple}, the target for {target.triple}")
    return module, machine


@cache
def _initialise() -> None:
    _llvm.initialize_all_targets()
    _llvm.initialize_all_asmprinters()
    # Without it an inline assembly statement ends the process.
    _llvm.initialize_native_asmparser()
