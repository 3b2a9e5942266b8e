"""Programs as PyTorch modules, which `torch.compile` and `torch.export` take for one op: extra `torch`.

    fast = lowbit.torch.compile(brevitas_model, example)  # by way of QONNX, in memory
    scores = fast(images)

The op is `lowbit::run(str program, Tensor[] inputs) -> Tensor[]`, whose `program` is the name of one of this
process: who loads what `torch.export` saved makes its `Module` first, from the same program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np

from lowbit.argument_checks import instance
from lowbit.compiling import compile as compile_program
from lowbit.constructors import import_model
from lowbit.kernel import Kernel
from lowbit.program import Program
from lowbit_dialect.layout import storage_dtype
from lowbit_dialect.names import identifier

try:
    torch: Any = import_module("torch")  # Any: type checkers need not find an extra
except ImportError as error:
    raise ImportError(
        "lowbit.torch needs the extra 'torch': pip install 'lowbit[torch]'"
    ) from error

Tensor = Any


class Module(torch.nn.Module):  # pyright: ignore[reportUntypedBaseClass]
    """A compiled program, called with tensors of the CPU as `Kernel` is with arrays: none is copied.

    Inputs are those that are not packed ahead; `weights` has the others by name, and `state_dict` holds them.
    Results are integers, or f32, without a gradient. `options` are those of `lowbit.compile`. Raises
    ValueError naming the argument that does not fit.
    """

    def __init__(
        self, program: Program, weights: Mapping[str, Tensor] | None = None, **options: Any
    ):
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.kernel = compile_program(instance("program", program, Program), **options)
        given, names = dict(weights or {}), program.constant_names
        if set(given) != set(names):
            raise ValueError(f"weights of {sorted(names)} are wanted, not of {sorted(given)}")
        for name in names:
            self.register_buffer(identifier(name), given[name])
        self._buffer_names = tuple(map(identifier, names))
        self._several = len(self.kernel.signature.main.results) > 1
        self._name = _register(self.kernel, len(names))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The result, or a tuple of them if the program has several."""
        weights = [self.get_buffer(name) for name in self._buffer_names]
        results = run(self._name, [*inputs, *weights])
        return tuple(results) if self._several else results[0]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # pyright: ignore[reportUnknownMemberType]
        _register(self.kernel, len(self._buffer_names))


def compile(model: Any, example: Tensor, **options: Any) -> Module:
    """Export a Brevitas model to QONNX, in memory, and compile it for inputs of the shape of `example`.

    Raises ImportError if Brevitas is missing, ValueError where the model holds what cannot be imported.
    """
    try:
        brevitas: Any = import_module("brevitas.export")
    except ImportError as error:
        raise ImportError(
            "lowbit.torch.compile exports with Brevitas: pip install brevitas onnxoptimizer onnxscript"
        ) from error
    exported = brevitas.export_qonnx(model, args=example, export_path=None)
    return Module(import_model(exported), **options)


class _Loaded:
    """A kernel that the op finds by name, and its weights as packed last."""

    def __init__(self, kernel: Kernel, constants: int):
        self.kernel, self._constants = kernel, constants
        self._lock = Lock()
        self._weights: list[Tensor] = []
        self._versions: list[int] = []
        self._packed: Any = None

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        inputs = [one.detach() for one in tensors]
        if self._constants:
            weights = inputs[len(inputs) - self._constants :]
            inputs = [*inputs[: len(inputs) - self._constants], self._pack(weights)]
        results = self.kernel(*inputs)
        several = len(self.kernel.signature.main.results) > 1
        return [torch.from_numpy(one) for one in (results if several else [results])]

    def _pack(self, weights: list[Tensor]) -> Any:
        """The weights packed, again where they are others or were written to since."""
        if any(
            one.is_inference() for one in weights
        ):  # they do not say whether they were written to
            return self.kernel.pack(*weights)
        versions = [one._version for one in weights]
        with self._lock:
            # These are kept, so no other lies where one of them lay.
            places, before = (
                [one.data_ptr() for one in those] for those in (weights, self._weights)
            )
            if (places, versions) != (before, self._versions) or self._packed is None:
                self._packed = self.kernel.pack(*weights)
                self._weights, self._versions = weights, versions
            return self._packed


_LOADED: dict[str, _Loaded] = {}


def _register(kernel: Kernel, constants: int) -> str:
    """The name by which the op finds a kernel: one program is one name, whatever it was compiled for."""
    name = sha256(str(kernel.program).encode()).hexdigest()[:16]
    _LOADED[name] = _Loaded(kernel, constants)
    return name


def _loaded(program: str) -> _Loaded:
    if program not in _LOADED:
        raise ValueError(
            f"no program of this process has the name {program}: make lowbit.torch.Module(program) first"
        )
    return _LOADED[program]


@torch.library.custom_op(
    "lowbit::run",
    mutates_args=(),
    device_types="cpu",
    schema="(str program, Tensor[] inputs) -> Tensor[]",
)
def run(program: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Run a program of this process by its name; weights come after the other inputs."""
    return _loaded(program)(inputs)


@run.register_fake
def _(program: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    types = _loaded(program).kernel.signature.main.results
    return [
        torch.empty(tuple(one.get_shape()), dtype=_dtype(storage_dtype(one.element_type)))
        for one in types
    ]


def _dtype(dtype: np.dtype[Any]) -> Any:
    return torch.from_numpy(np.empty(0, dtype)).dtype
