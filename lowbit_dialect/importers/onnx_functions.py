"""Functions of one tensor: Sigmoid, Tanh, LeakyRelu, Sign and their like, in f32."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from xdsl.dialects.builtin import f32

from lowbit_dialect.codes import CodeType, TernaryType
from lowbit_dialect.functions import FUNCTIONS
from lowbit_dialect.importers.onnx_binary import table
from lowbit_dialect.importers.onnx_builder import Builder
from lowbit_dialect.importers.onnx_model import Node
from lowbit_dialect.importers.onnx_tensor import BIPOLAR, ONE, Tensor, Value
from lowbit_dialect.importers.onnx_thresholds import compare_integers, smallest_reaching
from lowbit_dialect.ops.elementwise import ApplyOp, PreluOp, QuantizeOp

Handler = Callable[[Builder, Node], Value]

NAMES: Mapping[str, tuple[str, Mapping[str, tuple[str, float]]]] = {
    "Abs": ("abs", {}),
    "Ceil": ("ceil", {}),
    "Elu": ("elu", {"alpha": ("alpha", 1.0)}),
    "Erf": ("erf", {}),
    "Exp": ("exp", {}),
    "Floor": ("floor", {}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": ("alpha", 0.2), "beta": ("beta", 0.5)}),
    "HardSwish": ("hard_swish", {}),
    "Log": ("log", {}),
    "Mish": ("mish", {}),
    "Neg": ("neg", {}),
    "Reciprocal": ("reciprocal", {}),
    "Round": ("round", {}),
    "Selu": (
        "selu",
        {
            "alpha": ("alpha", 1.67326319217681884765625),
            "beta": ("gamma", 1.05070102214813232421875),
        },
    ),
    "Sigmoid": ("sigmoid", {}),
    "Softplus": ("softplus", {}),
    "Sqrt": ("sqrt", {}),
    "Swish": ("swish", {"alpha": ("alpha", 1.0)}),
    "Tanh": ("tanh", {}),
}
"""The function of each op, and for each parameter its attribute and default."""
SMALLEST = float(np.float32(2.0**-149))


def function(op: str) -> Handler:
    """A function by the name that ONNX gives it."""
    name, parameters = NAMES[op]
    assert set(parameters) == set(FUNCTIONS[name].parameters)

    def handler(b: Builder, node: Node) -> Value:
        x = b.to_float(node, b.tensor(node))
        given = {key: node.number(*source) for key, source in parameters.items()}
        return x.holding(b.emit(node, ApplyOp(name, x.value, **given)))

    return handler


def gelu(b: Builder, node: Node) -> Tensor:
    """Gelu, by the error function or by the hyperbolic tangent."""
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    name = names.get(node.text("approximate", "none"))
    if name is None:
        raise node.fail("approximate is none or tanh")
    x = b.to_float(node, b.tensor(node))
    return x.holding(b.emit(node, ApplyOp(name, x.value)))


def leaky_relu(b: Builder, node: Node) -> Tensor:
    """LeakyRelu: one slope."""
    x = b.to_float(node, b.tensor(node))
    slope = b.known(node, ONE * np.float32(node.number("alpha", 0.01)), f32, "slope")
    return x.holding(b.emit(node, PreluOp(x.value, slope)))


def prelu(b: Builder, node: Node) -> Tensor:
    """PRelu: one slope, or one for each channel."""
    x, slopes = b.to_float(node, b.tensor(node)), b.reals(node, 1)
    if (row := table(node, x, slopes)) is None:
        raise node.fail(f"its slope of shape {list(slopes.shape)} does not run along one axis")
    slope, axis = b.row(node, x, row[0], "slope", row[1])
    return x.holding(b.emit(node, PreluOp(x.value, slope, axis=axis)))


def sign(b: Builder, node: Node) -> Tensor:
    """Sign as codes: ternary, or bipolar where integers never mean 0. NaN becomes -1, as no code means it."""
    x = b.tensor(node)
    if x.scale is not None and np.all(x.scale > 0):
        code = BIPOLAR if never_zero(x) else TernaryType()
        steps = np.array([[0.0, SMALLEST][: code.steps]], np.float32)
        return x.holding(compare_integers(b, node, x, steps, x.axis, code), scale=ONE)
    x = b.to_float(node, x)
    signs = b.emit(node, ApplyOp("sign", x.value), "sign")
    codes = QuantizeOp(signs, b.known(node, ONE, f32, "one"), TernaryType())
    return x.holding(b.emit(node, codes), scale=ONE)


def never_zero(x: Tensor) -> bool:
    """Whether no value of an integer tensor means 0."""
    assert x.scale is not None
    bias = np.zeros(1, np.float32) if x.bias is None else x.bias
    if isinstance(x.element, CodeType):
        values = np.array(x.element.values(), np.float32).reshape(-1, 1) - np.float32(x.zero)
        return not np.any(values * x.scale + bias == 0)
    limits = (np.array([[step]], np.float32) for step in (0.0, SMALLEST))
    least, positive = (smallest_reaching(x.scale, bias, one) for one in limits)
    return np.array_equal(least, positive)


OPS: dict[str, Handler] = {
    **{op: function(op) for op in NAMES},
    "Gelu": gelu,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Sign": sign,
}
