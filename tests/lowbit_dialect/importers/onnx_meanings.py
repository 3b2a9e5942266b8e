"""The ops of ONNX and QONNX that compute, in fractions: one method each, named after the op."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
from onnx_fractions import (
    EPS,
    HALF,
    OUTSIDE,
    ROUNDINGS,
    Array,
    Exact,
    floats,
    half_even,
    inside_pads,
    near,
    rounded,
    windows,
)


class Meanings:
    """Methods `on_OP` of the values that a node reads and its attributes."""

    # Quantisers

    def on_Quant(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, scale, zero, bits = given
        signed, narrow = attributes.get("signed", 1), attributes.get("narrow", 0)
        mode = attributes.get("rounding_mode", b"ROUND").decode().upper()
        n = int(bits.values.ravel()[0])
        low = -(2 ** (n - 1)) + narrow if signed else 0
        high = 2 ** (n - 1) - 1 if signed else 2**n - 1 - narrow
        spot = x.values / scale.values + zero.values
        slack = self.spread(x, scale, zero)
        clipped = np.minimum(np.maximum(spot, Fraction(low)), Fraction(high))
        how, boundary = ROUNDINGS[mode]
        code = self.each(how, clipped)
        tied = near(spot, boundary, slack)
        return rounded((code - zero.values) * scale.values, 0.0, 2).ties_at(tied)

    def on_Trunc(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, scale, zero, _, wide, bits = given
        n = int(bits.values.ravel()[0])
        signed, narrow = attributes.get("signed", 1), attributes.get("narrow", 0)
        low = -(2 ** (n - 1)) + narrow if signed else 0
        high = 2 ** (n - 1) - 1 if signed else 2**n - 1 - narrow
        code = self.each(half_even, x.values / scale.values + zero.values)
        cut = Fraction(2) ** round(np.log2(float(floats(wide.values / scale.values).ravel()[0])))
        clipped = np.minimum(np.maximum(code / cut, Fraction(low)), Fraction(high))
        how, _ = ROUNDINGS[attributes.get("rounding_mode", b"FLOOR").decode().upper()]
        return rounded((self.each(how, clipped) - zero.values / cut) * wide.values, 0.0, 2)

    @staticmethod
    def each(how: Callable[[Fraction], int], values: Array) -> Array:
        """Round every fraction."""
        return np.asarray(np.frompyfunc(how, 1, 1)(values), object) * Fraction(1)

    @staticmethod
    def spread(x: Exact, scale: Exact, zero: Exact) -> Array:
        """How far `x / scale + zero` in f32 may be from the fraction."""
        quotient = x.size / floats(scale.values)
        return x.slack / floats(scale.values) + 4 * EPS * (quotient + zero.size)

    def on_BipolarQuant(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        x, scale = given
        sign = np.where(x.values >= 0, Fraction(1), Fraction(-1))
        return rounded(sign * scale.values, 0.0, 1).ties_at(x.size <= x.slack)

    def on_Sign(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        (x,) = given
        sign = np.where(
            x.values > 0, Fraction(1), np.where(x.values < 0, Fraction(-1), Fraction(0))
        )
        return Exact.of(sign).ties_at(x.size <= x.slack)

    def on_MultiThreshold(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, steps = given
        layout = attributes.get("data_layout", b"").decode()
        axis = layout.index("C") if "C" in layout else 1
        shape = [-1 if i == axis else 1 for i in range(x.values.ndim)]
        count, tied = np.zeros(x.values.shape, int), np.zeros(x.values.shape, bool)
        for column in steps.values.T:
            limit = column.reshape(shape if len(column) > 1 else [1] * x.values.ndim)
            count += x.values >= limit
            gap = floats(np.abs(x.values - limit))
            tied |= gap <= x.slack + 2 * EPS * floats(np.abs(limit))
        scale, bias = (
            np.float32(attributes.get(n, d)) for n, d in (("out_scale", 1.0), ("out_bias", 0.0))
        )
        values = count.astype(object) * Fraction(float(scale)) + Fraction(float(bias))
        return rounded(values, EPS * abs(float(bias)), 2).ties_at(tied)

    def on_QuantizeLinear(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        x, scale, zero = given
        spot = x.values / scale.values
        code = self.each(half_even, spot) + zero.values
        tied = near(spot, HALF, self.spread(x, scale, Exact.of(np.zeros(()))))
        signed = bool((zero.values < 0).any()) or self.signed
        low, high = (-128, 127) if signed else (0, 255)
        return Exact.of(np.minimum(np.maximum(code, Fraction(low)), Fraction(high))).ties_at(tied)

    signed = False
    """Whether the zero point of the QuantizeLinear at hand is an int8."""

    def on_DequantizeLinear(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, scale = given[:2]
        zero = given[2] if len(given) > 2 else Exact.of(np.zeros(scale.values.shape))
        axis, rank = attributes.get("axis", 1), x.values.ndim
        row, zeros = (
            one.values.reshape([one.values.size if i == axis else 1 for i in range(rank)])
            for one in (scale, zero)
        )
        return rounded((x.values - zeros) * row, 0.0, 1).ties_at(x.tied)

    # Piecewise linear functions

    def on_Clip(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        x, low, high = given
        values = np.minimum(np.maximum(x.values, low.values), high.values)
        return Exact(np.asarray(values, object), x.slack, x.tied)

    def on_Relu(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        (x,) = given
        return Exact(np.maximum(x.values, Fraction(0)), x.slack)

    def on_LeakyRelu(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        return self.on_PRelu([given[0], Exact.of(np.float32(attributes.get("alpha", 0.01)))], {})

    def on_PRelu(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        x, slope = given
        values = np.where(x.values < 0, x.values * slope.values, x.values)
        return rounded(values, x.slack * np.maximum(1.0, slope.size))

    def on_HardSigmoid(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        (x,) = given
        alpha = Fraction(float(np.float32(attributes.get("alpha", 0.2))))
        beta = Fraction(float(np.float32(attributes.get("beta", 0.5))))
        values = np.minimum(np.maximum(x.values * alpha + beta, Fraction(0)), Fraction(1))
        return Exact.of(values, x.slack * float(alpha) + 3 * EPS * (x.size * float(alpha) + 1))

    def curve(self, x: Exact, function: Callable[[Decimal], Decimal]) -> Exact:
        """A function whose slope is at most 1, to 40 digits."""

        def one(value: Fraction) -> Fraction:
            with localcontext() as context:
                context.prec = 60
                return Fraction(function(Decimal(value.numerator) / Decimal(value.denominator)))

        values = np.asarray(np.frompyfunc(one, 1, 1)(x.values), object)
        return rounded(values, x.slack + 2**-126, 16)

    def on_Sigmoid(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        return self.curve(given[0], lambda v: 1 / (1 + (-v).exp()))

    def on_Tanh(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        return self.curve(given[0], lambda v: 1 - 2 / ((2 * v).exp() + 1))

    def on_Elu(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        return self.curve(given[0], lambda v: v if v > 0 else v.exp() - 1)

    # Arithmetic

    def on_Add(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        a, b = given
        return rounded(a.values + b.values, a.slack + b.slack)

    def on_Sub(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        a, b = given
        return rounded(a.values - b.values, a.slack + b.slack)

    def on_Mul(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        a, b = given
        return rounded(a.values * b.values, a.slack * b.size + b.slack * (a.size + a.slack))

    def on_Div(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        a, b = given
        return rounded(a.values / b.values, a.slack / b.size)

    def on_BatchNormalization(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, *rows = given
        shape = [-1 if i == 1 else 1 for i in range(x.values.ndim)]
        gamma, beta, mean, variance = (one.values.reshape(shape) for one in rows)
        epsilon = Fraction(float(np.float32(attributes.get("epsilon", 1e-5))))

        def root(value: Fraction) -> Fraction:
            return Fraction(isqrt(value.numerator * 4**100 // value.denominator), 2**100)

        scale = gamma / np.frompyfunc(root, 1, 1)(variance + epsilon)
        size = floats(np.abs(scale))
        centre = floats(np.abs(mean))
        slack = x.slack * size + 8 * EPS * ((x.size + centre) * size + floats(np.abs(beta)))
        return Exact.of((x.values - mean) * scale + beta, slack)

    # Sums and windows

    def on_MatMul(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        a, b = given
        return self.sums(a.values @ b.values, a.size, b.size, a.slack, b.slack, a.values.shape[-1])

    @staticmethod
    def sums(
        values: Array, a: Array, b: Array, slack_a: Array, slack_b: Array, terms: int
    ) -> Exact:
        spread = (slack_a @ b) + (a + slack_a) @ slack_b
        return Exact.of(values, spread + (terms + 4) * EPS * ((a + slack_a) @ (b + slack_b)))

    def on_Gemm(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        a, b = given[:2]
        if attributes.get("transB", 0):
            b = Exact(b.values.T, b.slack.T)
        y = self.on_MatMul([a, b], {})
        return self.on_Add([y, given[2]], {}) if len(given) > 2 else y

    def on_Conv(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, w = given[:2]
        groups, outputs = (
            attributes.get("group", 1),
            w.values.shape[0] // attributes.get("group", 1),
        )
        places = windows(x.values.shape[2:], w.values.shape[2:], attributes)
        parts: list[Exact] = []
        for group in range(groups):
            inputs = w.values.shape[1]
            part = slice(group * inputs, (group + 1) * inputs)
            values, slack = (self.patches(one[:, part], places) for one in (x.values, x.slack))
            outs = slice(group * outputs, (group + 1) * outputs)
            flat, loose = (one[outs].reshape(outputs, -1).T for one in (w.values, w.slack))
            sizes = floats(np.abs(values)), floats(np.abs(flat))
            parts.append(
                self.sums(values @ flat, *sizes, slack.astype(float), loose, flat.shape[0])
            )
        shape = (x.values.shape[0], -1, *places.shape[: x.values.ndim - 2])
        values, slack = (
            np.concatenate([np.moveaxis(p, -1, 1).reshape(shape) for p in ones], axis=1)
            for ones in ([p.values for p in parts], [p.slack for p in parts])
        )
        y = Exact(values, slack)
        if len(given) < 3:
            return y
        row = [-1 if i == 1 else 1 for i in range(values.ndim)]
        return self.on_Add(
            [y, Exact(given[2].values.reshape(row), given[2].slack.reshape(row))], {}
        )

    @staticmethod
    def patches(values: Array, places: Array) -> Array:
        """`[n, positions..., c * taps]`, with 0 outside."""
        n, c = values.shape[:2]
        flat = np.concatenate(
            [values.reshape(n, c, -1), np.zeros((n, c, 1), values.dtype) * 0], axis=2
        )
        rank = places.ndim // 2
        picked = flat[:, :, places]
        picked = np.moveaxis(picked, 1, 1 + rank)
        return picked.reshape(n, *places.shape[:rank], -1)

    def pool(self, x: Exact, attributes: Mapping[str, Any]) -> tuple[Array, Array, Array]:
        places = windows(x.values.shape[2:], attributes["kernel_shape"], attributes)
        rank, lead = places.ndim // 2, x.values.shape[:2]
        taps = places.reshape(*places.shape[:rank], -1)
        flat = np.concatenate(
            [x.values.reshape(*lead, -1), np.full((*lead, 1), None, object)], axis=2
        )
        slack = np.concatenate([x.slack.reshape(*lead, -1), np.zeros((*lead, 1))], axis=2)
        return flat[:, :, taps], slack[:, :, taps], taps

    def on_MaxPool(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        values, slack, _ = self.pool(given[0], attributes)
        largest = np.frompyfunc(
            lambda a, b: b if a is None else a if b is None else max(a, b), 2, 1
        )
        return Exact.of(largest.reduce(values, axis=-1), slack.max(axis=-1))

    def on_AveragePool(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        values, slack, taps = self.pool(given[0], attributes)
        kernel = attributes["kernel_shape"]
        count = (taps != OUTSIDE).sum(axis=-1)
        if attributes.get("count_include_pad", 0):
            sizes = given[0].values.shape[2:]
            count = inside_pads(sizes, kernel, attributes)
        total = np.where(values == None, Fraction(0), values).sum(axis=-1)  # noqa: E711
        size = np.where(values == None, 0, np.abs(np.where(values == None, 0, values))).sum(axis=-1)  # noqa: E711
        terms = taps.shape[-1]
        spread = (slack.sum(axis=-1) + (terms + 2) * EPS * size.astype(float)) / count
        return Exact.of(total / count.astype(object), spread)

    def on_GlobalAveragePool(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        return self.on_AveragePool(given, {"kernel_shape": given[0].values.shape[2:]})

    def on_GlobalMaxPool(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        return self.on_MaxPool(given, {"kernel_shape": given[0].values.shape[2:]})

    def on_ReduceMean(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        x, axes = given[0], tuple(int(v) for v in given[1].values)
        count = int(np.prod([x.values.shape[axis] for axis in axes]))
        spread = x.slack.sum(axis=axes, keepdims=True) / count
        spread = spread + (count + 2) * EPS * x.size.sum(axis=axes, keepdims=True) / count
        return Exact.of(x.values.sum(axis=axes, keepdims=True) / Fraction(count), spread)

    def on_Softmax(self, given: list[Exact], _: Mapping[str, Any]) -> Exact:
        (x,) = given
        top = x.values.max(axis=-1, keepdims=True)
        power = self.curve(Exact(x.values - top, x.slack), lambda v: v.exp())
        total = power.values.sum(axis=-1, keepdims=True)
        spread = 4 * x.slack.max(axis=-1, keepdims=True) + 64 * EPS
        return Exact.of(power.values / total, np.broadcast_to(spread, x.values.shape))

    def on_ConvTranspose(self, given: list[Exact], attributes: Mapping[str, Any]) -> Exact:
        """As the convolution of an image with zeros between its pixels by the kernel turned round."""
        x, w = given[:2]
        rank = x.values.ndim - 2
        strides, pads = attributes["strides"], attributes["pads"]
        kernel = w.values.shape[2:]
        sizes = [(n - 1) * s + 1 for n, s in zip(x.values.shape[2:], strides)]
        wide = np.full((*x.values.shape[:2], *sizes), Fraction(0), object)
        loose = np.zeros(wide.shape)
        at = (slice(None), slice(None), *(slice(None, None, s) for s in strides))
        wide[at], loose[at] = x.values, x.slack
        turn = (slice(None), slice(None), *[slice(None, None, -1)] * rank)
        turned = Exact(w.values[turn].swapaxes(0, 1), w.slack[turn].swapaxes(0, 1))
        around = [k - 1 - p for k, p in zip([*kernel, *kernel], pads)]
        return self.on_Conv([Exact(wide, loose), turned, *given[2:]], {"pads": around})
