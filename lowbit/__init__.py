"""lowbit, a compiler for networks of one to eight bits: the public Python API.

program = lowbit.conv2d((1, 56, 56, 64), (3, 3, 64, 64), "uint2", "odd1", padding=1)
kernel = lowbit.compile(program)
y = kernel(x, w)                          # decoded integers in, int32 out
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lowbit.budget.precision import precision
    from lowbit.budget.result import Precise
    from lowbit.calling import Bound, Packed
    from lowbit.checks import CheckFailed, CheckReport, check, reference
    from lowbit.compiling import compile, load
    from lowbit.constructors import conv2d, dense, import_model, parse
    from lowbit.kernel import Kernel
    from lowbit.layers import LayerReport, compare_layers
    from lowbit.machines import targets
    from lowbit.objects import Exported, export
    from lowbit.program import Program
    from lowbit.tuning.tune import tune
    from lowbit.tuning.tuned import Tuned
    from lowbit_dialect.layout import Layout
    from lowbit_dialect.schedule import Schedule
    from microkernels.target import Target

_WHERE = {
    "Bound": "lowbit.calling",
    "CheckFailed": "lowbit.checks",
    "CheckReport": "lowbit.checks",
    "Exported": "lowbit.objects",
    "Kernel": "lowbit.kernel",
    "LayerReport": "lowbit.layers",
    "Layout": "lowbit_dialect.layout",
    "Packed": "lowbit.calling",
    "Precise": "lowbit.budget.result",
    "Program": "lowbit.program",
    "Schedule": "lowbit_dialect.schedule",
    "Target": "microkernels.target",
    "Tuned": "lowbit.tuning.tuned",
    "check": "lowbit.checks",
    "compare_layers": "lowbit.layers",
    "compile": "lowbit.compiling",
    "conv2d": "lowbit.constructors",
    "dense": "lowbit.constructors",
    "export": "lowbit.objects",
    "import_model": "lowbit.constructors",
    "load": "lowbit.compiling",
    "parse": "lowbit.constructors",
    "precision": "lowbit.budget.precision",
    "reference": "lowbit.checks",
    "targets": "lowbit.machines",
    "tune": "lowbit.tuning.tune",
}

__all__ = [
    "Bound",
    "CheckFailed",
    "CheckReport",
    "Exported",
    "Kernel",
    "LayerReport",
    "Layout",
    "Packed",
    "Precise",
    "Program",
    "Schedule",
    "Target",
    "Tuned",
    "check",
    "compare_layers",
    "compile",
    "conv2d",
    "dense",
    "export",
    "import_model",
    "load",
    "parse",
    "precision",
    "reference",
    "targets",
    "tune",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: `lowbit --help` must not wait for xDSL and LLVM.
    if name not in _WHERE:
        raise AttributeError(f"module 'lowbit' has no attribute '{name}'")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
