"""A random graph in the making: what the next node reads, and quantisers and products for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import onnx
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from onnx import helper
from onnx_oracle import QONNX

from lowbit_dialect.layout import Array

T = TypeVar("T")
CHANNELS = (1, 2, 3, 4, 6, 8, 9)
SIZES = (1, 2, 3, 4, 5, 7, 8)
SCALES = (0.25, 0.5, 1.0, 2.0)
ROUNDINGS = ("ROUND", "ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


@dataclass(frozen=True)
class Current:
    """The tensor that the next node reads."""

    name: str
    shape: tuple[int, ...]
    scale: float | None = None
    """Of codes: what one step means; None for any f32."""
    largest: float = 2.0**12
    """No value is larger, in steps of codes or as it is."""


class Maker:
    """A graph in the making."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.exact, self.qonnx = draw(st.booleans()), draw(st.booleans())
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        rank = draw(st.sampled_from((2, 3, 4, 4, 4, 4)))
        batch = draw(st.sampled_from((1, 1, 1, 2, 3)))
        sizes = [self.pick(SIZES) for _ in range(rank - 2)]
        self.x = Current("x", (batch, self.pick(CHANNELS), *sizes))
        self.start = self.x
        self.rounded = False
        """Whether values of an exact graph are rounded means, whose sums depend on their order."""

    # Draws

    def pick(self, values: Sequence[T]) -> T:
        return self.draw(st.sampled_from(values))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def scale(self) -> float:
        return (
            self.pick(SCALES) if self.exact else float(np.float32(self.random.uniform(0.02, 1.5)))
        )

    def scales(self, count: int) -> Array:
        return np.array([self.scale() for _ in range(count)], np.float32)

    def row(self, count: int, spread: float = 4.0) -> Array:
        """Any numbers, or multiples of a quarter."""
        values = self.random.uniform(-spread, spread, count)
        return (np.round(values * 4) / 4 if self.exact else values).astype(np.float32)

    # Nodes

    def name(self) -> str:
        return f"t{len(self.nodes)}"

    def known(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(values, dtype).reshape(np.shape(values))
        return name

    def node(self, op: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        name = self.name()
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name, domain=domain, **attributes)
        )
        return name

    def then(
        self, op: str, *inputs: str, shape: Sequence[int] | None = None, **attributes: Any
    ) -> None:
        """A node on the current tensor that changes nothing but its shape."""
        name = self.node(op, [self.x.name, *inputs], **attributes)
        self.become(name, shape)

    def become(self, name: str, shape: Sequence[int] | None = None, **changes: Any) -> None:
        old = self.x
        self.x = Current(
            name,
            old.shape if shape is None else tuple(shape),
            changes.get("scale", old.scale),
            changes.get("largest", old.largest),
        )

    def summed(self) -> None:
        """The next node sums what the current tensor holds."""
        self.exact = self.exact and not self.rounded

    def plain(
        self, name: str, shape: Sequence[int] | None = None, largest: float = 2.0**12
    ) -> None:
        self.become(name, shape, scale=None, largest=largest)

    @property
    def real(self) -> float:
        """No value of the current tensor is larger."""
        return self.x.largest * (self.x.scale or 1.0)

    # Quantisers

    def quantise(self) -> None:
        self.rounded = False
        forms = ["quant", "quant", "quant", "bipolar", "threshold"] if self.qonnx else ["qcdq"] * 4
        {
            "quant": self.quant,
            "bipolar": self.bipolar,
            "threshold": self.threshold,
            "qcdq": self.qcdq,
        }[self.pick(forms)]()

    def quant(self) -> None:
        bits, signed = self.pick((1, 2, 2, 3, 4, 5, 8)), self.draw(st.booleans())
        signed = signed and bits > 1
        narrow = self.chance(4) and bits > 1
        scale = self.scale()
        zero = self.pick((0, 0, 0, 1, min(3, 2 ** (bits - signed) - 1 - narrow)))
        name = self.node(
            "Quant",
            [self.x.name, self.known(scale), self.known(zero), self.known(bits)],
            domain=QONNX,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode=self.pick(ROUNDINGS),
        )
        self.become(name, scale=scale, largest=2.0**bits + zero)
        if bits > 3 and self.chance(5):
            self.trunc(scale, zero, bits, signed)

    def trunc(self, scale: float, zero: int, bits: int, signed: bool) -> None:
        """Fewer bits of what was just quantised."""
        cut = self.pick((1, 2, 3))
        rest = self.pick((bits - cut, bits - cut, bits - cut - 1)) if bits - cut > 1 else bits - cut
        wide = float(np.float32(scale)) * 2.0**cut
        rows = [self.known(v) for v in (scale, zero, bits, wide, rest)]
        name = self.node(
            "Trunc",
            [self.x.name, *rows],
            domain=QONNX,
            rounding_mode=self.pick(("FLOOR", "FLOOR", "ROUND", "CEIL")),
            signed=int(signed),
            narrow=0,
        )
        self.become(name, scale=wide, largest=2.0**bits + zero)

    def bipolar(self) -> None:
        scale = self.scale()
        self.become(
            self.node("BipolarQuant", [self.x.name, self.known(scale)], domain=QONNX),
            scale=scale,
            largest=1.0,
        )

    def threshold(self) -> None:
        count, rows = self.pick((1, 2, 3, 7, 15)), self.pick((1, self.x.shape[1]))
        steps = np.sort(
            np.stack([self.row(count, min(self.real, 64.0)) for _ in range(rows)]), axis=1
        )
        scale = self.scale()
        start = self.pick((0, 0, -1, -(count // 2)))
        if count == 1 and self.chance(2):
            start, scale = -0.5, 2 * scale
        name = self.node(
            "MultiThreshold",
            [self.x.name, self.known(steps)],
            domain=QONNX,
            out_dtype="INT8",
            out_scale=float(np.float32(scale)),
            out_bias=float(np.float32(scale) * np.float32(start)),
            data_layout={2: "NC", 3: "NCW", 4: "NCHW"}.get(len(self.x.shape), "NC"),
        )
        self.become(name, scale=scale, largest=2.0 * count)

    def qcdq(self) -> None:
        signed = self.draw(st.booleans())
        dtype = np.int8 if signed else np.uint8
        bits = self.pick((2, 3, 4, 8))
        zero = self.pick((0, 0, 0, 1, 7)) if bits == 8 else 0
        scale = self.scale()
        at, zeros = self.known(scale), self.known(zero, dtype)
        name = self.node("QuantizeLinear", [self.x.name, at, zeros])
        if bits < 8:
            low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            name = self.node("Clip", [name, self.known(low, dtype), self.known(high, dtype)])
        self.become(
            self.node("DequantizeLinear", [name, at, zeros]), scale=scale, largest=2.0**bits + zero
        )

    def weights(self, shape: tuple[int, ...], axis: int) -> tuple[str, float]:
        """Quantised or f32 weights with channels on `axis`, and the largest sum of a channel's."""
        bits = self.pick((1, 2, 3, 4, 8))
        low, high = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        values = self.random.integers(low, high + 1, shape)
        if bits == 1:
            values = np.where(values >= 0, 1, -1)
        channels = shape[axis]
        count = self.pick((1, channels))
        scale = self.scales(count)
        shaped = scale.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        sums = np.abs(values * shaped).sum(axis=tuple(i for i in range(len(shape)) if i != axis))
        real = (values * shaped).astype(np.float32)
        largest = float(sums.max())
        if self.chance(5):
            return self.known(real), largest
        if self.qonnx and bits == 1:
            inputs = [self.known(real), self.known(shaped if count > 1 else scale[0])]
            return self.node("BipolarQuant", inputs, domain=QONNX), largest
        if self.qonnx:
            inputs = [self.known(real), self.known(shaped if count > 1 else scale[0])]
            inputs += [self.known(0.0), self.known(float(bits))]
            modes: dict[str, Any] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
            return self.node("Quant", inputs, domain=QONNX, **modes), largest
        inputs = [self.known(values, np.int8), self.known(scale if count > 1 else scale[0])]
        if bits == 8 and self.chance(2):
            inputs[0] = self.known(values + 128, np.uint8)
            inputs.append(self.known(np.full(count if count > 1 else (), 128, np.uint8), np.uint8))
        else:
            inputs.append(self.known(np.zeros(count if count > 1 else (), np.int8), np.int8))
        return self.node("DequantizeLinear", inputs, axis=axis), largest

    # Contractions

    def bias(self, outputs: int) -> list[str]:
        if not self.chance(2):
            return []
        row = self.known(self.row(outputs))
        if not (self.qonnx and self.chance(3)):
            return [row]
        steps = [row, self.known(2.0**-6), self.known(0.0), self.known(32.0)]
        modes: dict[str, Any] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
        return [self.node("Quant", steps, domain=QONNX, **modes)]

    def fits(self, largest: float) -> bool:
        """Whether sums of so large terms stay exact in f32, and far from where integers wrap."""
        return self.real * largest < 2.0**17

    def conv(self) -> None:
        self.summed()
        spatial = self.x.shape[2:]
        channels, rank = self.x.shape[1], len(spatial)
        groups = self.pick([g for g in (1, 1, 1, 2, 3, channels) if channels % g == 0])
        outputs = groups * self.pick((1, 2, 3, 5))
        kernel = [self.pick([k for k in (1, 2, 3, 5) if k <= size + 2]) for size in spatial]
        strides = [self.pick((1, 1, 2, 3)) for _ in spatial]
        dilations = [self.pick((1, 1, 1, 2)) for _ in spatial]
        spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel)]
        least = [max(0, span - size) for span, size in zip(spans, spatial)]
        pads = [
            [self.pick((0, 0, 1, 2)) + (need if end else 0) for need in least] for end in (0, 1)
        ]
        w, largest = self.weights((outputs, channels // groups, *kernel), 0)
        if not self.fits(largest):
            return
        auto = self.pick(("NOTSET",) * 5 + ("SAME_UPPER", "SAME_LOWER"))
        named: dict[str, Any] = (
            {"auto_pad": auto} if auto != "NOTSET" else {"pads": [*pads[0], *pads[1]]}
        )
        if auto != "NOTSET":
            dilations = [1] * rank
            out = [-(-size // stride) for size, stride in zip(spatial, strides)]
        else:
            out = [
                (size + a + b - span) // stride + 1
                for size, a, b, span, stride in zip(spatial, *pads, spans, strides)
            ]
        name = self.node(
            "Conv",
            [self.x.name, w, *self.bias(outputs)],
            group=groups,
            strides=strides,
            dilations=dilations,
            kernel_shape=kernel,
            **named,
        )
        self.plain(name, (self.x.shape[0], outputs, *out), self.real * largest + 4)

    def conv_transpose(self) -> None:
        self.summed()
        channels, spatial = self.x.shape[1], self.x.shape[2:]
        outputs, kernel = self.pick((1, 2, 4)), [self.pick((1, 2, 3)) for _ in spatial]
        strides = [self.pick((1, 2)) for _ in spatial]
        w, largest = self.weights((channels, outputs, *kernel), 1)
        largest *= channels
        if not self.fits(largest):
            return
        pads = [self.pick((0, 0, min(1, k - 1))) for k in kernel]
        out = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(spatial, strides, kernel, pads)]
        if min(out) < 1:
            return
        name = self.node(
            "ConvTranspose",
            [self.x.name, w, *self.bias(outputs)],
            kernel_shape=kernel,
            strides=strides,
            pads=[*pads, *pads],
        )
        self.plain(name, (self.x.shape[0], outputs, *out), self.real * largest + 4)

    def dense(self) -> None:
        self.summed()
        depth, outputs = self.x.shape[-1], self.pick((1, 2, 5, 9))
        if len(self.x.shape) == 2 and self.chance(2):
            transposed = self.draw(st.booleans())
            shape = (outputs, depth) if transposed else (depth, outputs)
            w, largest = self.weights(shape, 0 if transposed else 1)
            if not self.fits(largest):
                return
            name = self.node("Gemm", [self.x.name, w, *self.bias(outputs)], transB=int(transposed))
        else:
            w, largest = self.weights((depth, outputs), 1)
            if not self.fits(largest):
                return
            name = self.node("MatMul", [self.x.name, w])
        self.plain(name, (*self.x.shape[:-1], outputs), self.real * largest + 4)
