"""The same layers in onnxruntime, torch and OpenVINO, on one thread: what a kernel is compared with.

Each system computes a layer in f32 and in int8 as it does fastest: weights constant and packed ahead, NHWC
at the interface, which all three take without a copy. In int8 an activation is u8, a weight i8 with a
scale a channel, and the result u8, requantised in the same kernel. OpenVINO would take bf16 for f32 by itself
where the core multiplies it: it is asked for f32, and for bf16 beside. Extra `peers`; loaded when asked for.
"""

from __future__ import annotations

import importlib.metadata
import os
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from lowbit.bench.suites import ConvLayer, DenseLayer, Layer
from lowbit_dialect.layout import Array
from lowering.backend.host import host_features

PRECISIONS = ("f32", "bf16", "i8")
Call = Callable[[], Any]
Fetch = Callable[[Any], Array]


@dataclass(frozen=True)
class Task:
    """A layer with its data: f32, or u8 activations with i8 weights."""

    layer: Layer
    precision: str
    """One of `PRECISIONS`; of `bf16`, data is f32."""
    x: Array
    """NHWC, or `[M, K]`."""
    w: Array
    """OIHW, or `[N, K]`."""
    scale: float
    """In `i8`, a result is the sum times this, rounded and cut to 0..255."""

    @property
    def window(self) -> tuple[list[int], list[int]]:
        """Stride and padding of both axes; nothing of note for a dense layer."""
        if isinstance(self.layer, DenseLayer):
            return [1, 1], [0, 0]
        return [self.layer.stride] * 2, [self.layer.padding] * 2


def task(layer: Layer, precision: str, seed: int = 0) -> Task:
    """Random data for a layer. Products of the int8 operands never saturate pairs of i16."""
    rng = np.random.default_rng(seed)
    if precision != "i8":
        x = rng.standard_normal(layer.input_shape, np.float32)
        w = rng.standard_normal(layer.weight_shape, np.float32)
    else:
        x = rng.integers(0, 128, layer.input_shape, np.uint8)
        w = rng.integers(-63, 64, layer.weight_shape, np.int8)
    depth = w.size // layer.outputs
    order = (3, 2, 0, 1) if isinstance(layer, ConvLayer) else (1, 0)
    return Task(layer, precision, x, np.ascontiguousarray(w.transpose(order)), 0.03 * depth**-0.5)


@dataclass(frozen=True)
class Peer:
    """A layer in another system, ready to run."""

    name: str
    precision: str
    call: Call
    """Compute the layer once."""
    fetch: Fetch
    """What `call` returned, as an array: NHWC or `[M, N]`."""
    task: Task
    """Whose arrays `call` reads where they lie."""


@dataclass(frozen=True)
class System:
    """One way to compute layers elsewhere."""

    name: str
    package: str
    """What must be installed, and is quoted with its version."""
    precision: str
    prepare: Callable[[Task], tuple[Call, Fetch]]
    any_of: tuple[str, ...] = ()
    """Features of which the core must have one to compute in this precision; none for any core."""

    @property
    def lacks(self) -> str:
        """Why this core cannot compute so; empty if it can."""
        if not self.any_of or host_features().intersection(self.any_of):
            return ""
        return f"this core has no {' and no '.join(self.any_of)}"

    def start(self, task: Task) -> tuple[Call, Fetch]:
        """Prepare a layer and compute it once."""
        with kept_affinity():
            call, fetch = self.prepare(task)
            call()
        return call, fetch


def prepare(layer: Layer, skipped: dict[str, str]) -> Iterator[Peer]:
    """Every system that is installed; what is not, or fails, leaves a sentence in `skipped`.

    There a package that is not installed, or a precision that this core lacks, stands by name, and is not
    tried again.
    """
    for system in SYSTEMS:
        named = f"{system.name} {system.precision}"
        if system.package in skipped or named in skipped:
            continue
        if system.lacks:
            skipped[named] = f"{named} is skipped: {system.lacks}"
            continue
        try:
            given = task(layer, system.precision)
            call, fetch = system.start(given)
        except ImportError as error:
            missing = error.name or system.package
            skipped[system.package] = f"{system.package} is skipped: {missing} is not installed"
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            where = f"{named} is skipped on {layer.name}"
            skipped[where] = f"{where}: {reason[:200]}"
        else:
            yield Peer(system.name, system.precision, call, fetch, given)


@contextmanager
def kept_affinity() -> Generator[None]:
    """Keep the cores that the calling thread may use: some packages narrow them when they are loaded."""
    cores = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def versions() -> dict[str, str]:
    """The versions of the installed systems."""
    found: dict[str, str] = {}
    for package in dict.fromkeys(system.package for system in SYSTEMS):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _onnxruntime(task: Task) -> tuple[Call, Fetch]:
    """The session removes the transposes round its own NHWC or blocked convolution."""
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = _onnx_model(task)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(task.x))
    binding.bind_output("y")
    return lambda: session.run_with_iobinding(binding), lambda _: binding.copy_outputs_to_cpu()[0]


def _onnx_model(task: Task) -> bytes:
    helper: Any = import_module("onnx.helper")
    from_array: Any = import_module("onnx.numpy_helper").from_array
    stride, padding = task.window
    convolution = isinstance(task.layer, ConvLayer)
    names, tables = ["w"], {"w": task.w if convolution else np.ascontiguousarray(task.w.T)}
    kind = "Conv" if convolution else "MatMul"
    if task.precision == "i8":
        tables |= {
            "x_scale": np.float32(1),
            "x_zero": np.uint8(0),
            "w_scale": np.ones(task.layer.outputs, np.float32),
            "w_zero": np.zeros(task.layer.outputs, np.int8),
            "y_scale": np.float32(1 / task.scale),
            "y_zero": np.uint8(0),
        }
        names = ["x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero"]
        kind = f"QLinear{kind}"
    node = helper.make_node
    if convolution:
        nodes = [
            node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
            node(kind, ["a", *names], ["b"], strides=stride, pads=padding * 2),
            node("Transpose", ["b"], ["y"], perm=[0, 2, 3, 1]),
        ]
    else:
        nodes = [node(kind, ["x", *names], ["y"])]
    element = helper.np_dtype_to_tensor_dtype(task.x.dtype)
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", element, task.x.shape)],
        [helper.make_tensor_value_info("y", element, None)],
        [from_array(np.asarray(value), name) for name, value in tables.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()


def _torch(task: Task) -> tuple[Call, Fetch]:
    """oneDNN on weights reordered ahead, as `torch.compile` freezes them; eager `conv2d` takes up to 2x."""
    torch = _load_torch()
    x, w, (stride, padding) = _torch_input(torch, task), torch.from_numpy(task.w), task.window
    if isinstance(task.layer, DenseLayer):  # MKL packs as fast as it multiplies
        return _without_gradients(torch, lambda: torch.nn.functional.linear(x, w))
    reorder, convolve = (
        torch._C._nn.mkldnn_reorder_conv2d_weight,
        torch.ops.mkldnn._convolution_pointwise,
    )
    packed = reorder(w.to_mkldnn(), padding, stride, [1, 1], 1, list(x.shape))
    options: tuple[Any, ...] = (None, padding, stride, [1, 1], 1, "none", [], "")
    return _without_gradients(torch, lambda: convolve(x, packed, *options))


def _torch_int8(engine: str) -> Callable[[Task], tuple[Call, Fetch]]:
    def prepare(task: Task) -> tuple[Call, Fetch]:
        torch = _load_torch()
        torch.backends.quantized.engine = engine
        ones = torch.ones(task.layer.outputs, dtype=torch.double)
        zeros = torch.zeros(task.layer.outputs, dtype=torch.long)
        with warnings.catch_warnings():  # torch 2.13 calls quantised tensors deprecated
            warnings.simplefilter("ignore", UserWarning)
            x = torch._make_per_tensor_quantized_tensor(_torch_input(torch, task), 1.0, 0)
            w = torch._make_per_channel_quantized_tensor(torch.from_numpy(task.w), ones, zeros, 0)
        stride, padding = task.window
        ops, to = torch.ops.quantized, (1 / task.scale, 0)
        if isinstance(task.layer, ConvLayer):
            packed = ops.conv2d_prepack(w, None, stride, padding, [1, 1], 1)
            return _without_gradients(torch, lambda: ops.conv2d(x, packed, *to))
        packed = ops.linear_prepack(w, None)
        return _without_gradients(torch, lambda: ops.linear(x, packed, *to))

    return prepare


def _load_torch() -> Any:
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    return torch


def _torch_input(torch: Any, task: Task) -> Any:
    """NCHW with the strides of NHWC."""
    x = torch.from_numpy(task.x)
    return x.permute(0, 3, 1, 2) if isinstance(task.layer, ConvLayer) else x


def _without_gradients(torch: Any, call: Call) -> tuple[Call, Fetch]:
    def fetch(y: Any) -> Array:
        y = y.int_repr() if y.is_quantized else y
        return (y.permute(0, 2, 3, 1) if y.dim() == 4 else y).numpy()

    return torch.inference_mode()(call), fetch


def _openvino(task: Task) -> tuple[Call, Fetch]:
    """`FakeQuantize` on both sides of an int8 layer: the plugin makes of them one kernel, u8 to u8."""
    ov: Any = import_module("openvino")
    op: Any = import_module("openvino.opset13")
    stride, padding = task.window
    x = op.parameter(task.x.shape, task.x.dtype, name="x")
    a, w = x, op.constant(task.w)
    quantised = task.precision == "i8"
    bounds = [op.constant(np.float32(v)) for v in (0, 255)]
    if quantised:
        a = op.fake_quantize(op.convert(a, "f32"), *bounds, *bounds, 256)
        ones = np.ones((task.layer.outputs, *[1] * (task.w.ndim - 1)), np.float32)
        w = op.multiply(op.convert(w, "f32"), op.constant(ones))
    if isinstance(task.layer, ConvLayer):
        a = op.transpose(a, np.array([0, 3, 1, 2]))
        y = op.convolution(a, w, stride, padding, padding, [1, 1])
        y = op.transpose(y, np.array([0, 2, 3, 1]))
    else:
        y = op.matmul(a, w, False, True)
    if quantised:
        limits = [op.constant(np.float32(v / task.scale)) for v in (0, 255)]
        y = op.convert(op.fake_quantize(y, *limits, *bounds, 256), "u8")
    options = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "bf16" if task.precision == "bf16" else "f32",
    }
    compiled = ov.Core().compile_model(ov.Model([y], [x], "layer"), "CPU", options)
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(task.x, shared_memory=True))
    return request.infer, lambda _: request.get_output_tensor().data


SYSTEMS = (
    System("onnxruntime", "onnxruntime", "f32", _onnxruntime),
    System("onnxruntime", "onnxruntime", "i8", _onnxruntime),
    System("torch", "torch", "f32", _torch),
    System("torch fbgemm", "torch", "i8", _torch_int8("fbgemm")),
    System("torch onednn", "torch", "i8", _torch_int8("onednn")),
    System("OpenVINO", "openvino", "f32", _openvino),
    System("OpenVINO", "openvino", "bf16", _openvino, ("avx512bf16", "amx-bf16")),
    System("OpenVINO", "openvino", "i8", _openvino),
)
