"""Steps of a random graph that are no products: elementwise ops, pools, changes of shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import helper
from onnx_maker import Maker
from onnx_oracle import QONNX


class Steps(Maker):
    """A graph that grows by any op."""

    # Elementwise

    def batch_norm(self) -> None:
        self.summed()
        channels = self.x.shape[1]
        gamma = self.random.choice((0.5, 1.0, 2.0, -1.0, 0.0), channels)
        variance = self.random.choice((0.25, 1.0, 4.0), channels)
        if not self.exact:
            gamma, variance = (
                self.random.uniform(-2, 2, channels),
                self.random.uniform(0.1, 3, channels),
            )
        rows = [gamma, self.row(channels), self.row(channels), variance]
        if self.exact and self.real > 2.0**12:
            return
        name = self.node(
            "BatchNormalization",
            [self.x.name, *(self.known(row) for row in rows)],
            epsilon=0.0 if self.exact else 1e-5,
        )
        self.plain(name, largest=8 * self.real + 32)

    def activation(self) -> None:
        op = self.pick(
            (
                "Relu",
                "Relu",
                "Clip",
                "LeakyRelu",
                "HardSigmoid",
                "PRelu",
                "Sigmoid",
                "Tanh",
                "Elu",
                "Sign",
            )
        )
        if op == "Clip":
            low, high = sorted(self.row(2))
            self.plain(
                self.node("Clip", [self.x.name, self.known(low), self.known(high)]), largest=4
            )
        elif op == "Relu":
            self.plain(self.node(op, [self.x.name]), largest=self.real)
        elif op == "PRelu":
            slope = self.known(
                self.scales(self.x.shape[1]).reshape(-1, *[1] * (len(self.x.shape) - 2))
            )
            self.plain(self.node(op, [self.x.name, slope]), largest=2 * self.real)
        elif op == "Sign":
            self.rounded = False
            self.become(self.node(op, [self.x.name]), scale=1.0, largest=1.0)
        elif op == "LeakyRelu":
            self.plain(self.node(op, [self.x.name], alpha=0.25), largest=self.real)
        else:
            self.exact = False
            self.plain(self.node(op, [self.x.name]), largest=max(4.0, self.real))

    def with_row(self) -> None:
        op, rank = self.pick(("Add", "Sub", "Mul", "Div")), len(self.x.shape)
        if self.real > 2.0**14:
            return
        axis = self.pick((1, 1, rank - 1))
        count = self.pick((1, self.x.shape[axis]))
        values = self.scales(count) if op in ("Mul", "Div") else self.row(count)
        shape = [count if i == axis else 1 for i in range(rank)][axis:] if count > 1 else ()
        row = self.known(values.reshape(shape))
        swap = op in ("Add", "Mul") and self.chance(3)
        inputs = [row, self.x.name] if swap else [self.x.name, row]
        self.plain(
            self.node(op, inputs), largest=64 * self.real + 4 if op == "Div" else 2 * self.real + 4
        )

    def residual(self) -> None:
        """The current tensor with something made of it, joined by `Add`, `Mul` or `Concat`."""
        before = self.x
        for _ in range(self.pick((1, 2))):
            self.pick((self.activation, self.quantise, self.with_row))()
        after = self.x
        op = self.pick(("Add", "Add", "Sub", "Mul", "Concat"))
        if op == "Concat":
            axis = self.pick((1, len(after.shape) - 1))
            shape = [2 * n if i == axis else n for i, n in enumerate(after.shape)]
            self.plain(self.node(op, [before.name, after.name], axis=axis), shape, 2.0**13)
            return
        sizes = [one.largest * (one.scale or 1.0) for one in (before, after)]
        largest = sizes[0] * sizes[1] if op == "Mul" else sum(sizes)
        if largest > 2.0**15:
            return
        self.plain(self.node(op, [before.name, after.name]), largest=largest)

    # Structure

    def pool(self) -> None:
        spatial, rank = self.x.shape[2:], len(self.x.shape) - 2
        kind = self.pick(
            ("MaxPool", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
        )
        if "Average" in kind:
            self.summed()
            self.rounded = True
        if kind.startswith("Global"):
            self.plain(self.node(kind, [self.x.name]), (*self.x.shape[:2], *[1] * rank), self.real)
            return
        kernel = [self.pick([k for k in (1, 2, 3) if k <= size]) for size in spatial]
        strides = [self.pick((1, 2, k)) for k in kernel]
        pads = [[self.pick((0, 0, min(1, k - 1))) for k in kernel] for _ in range(2)]
        named: dict[str, Any] = {"pads": [*pads[0], *pads[1]]}
        ceil = self.chance(4)
        out: list[int] = []
        for size, k, s, a, b in zip(spatial, kernel, strides, *pads):
            steps = size + a + b - k
            count = (-(-steps // s) if ceil else steps // s) + 1
            beyond = ceil and (count - 1) * s >= size + a
            if beyond:
                return  # onnx infers a window more than onnxruntime gives
            out.append(count)
        if ceil:
            named["ceil_mode"] = 1
        if kind == "AveragePool":
            named["count_include_pad"] = self.pick((0, 1))
        name = self.node(kind, [self.x.name], kernel_shape=kernel, strides=strides, **named)
        scale = self.x.scale if kind == "MaxPool" else None
        self.become(
            name, (*self.x.shape[:2], *out), scale=scale, largest=self.real / (scale or 1.0)
        )

    def reshape(self) -> None:
        shape, rank = self.x.shape, len(self.x.shape)
        kind = self.pick(("Flatten", "Reshape", "Transpose", "Unsqueeze", "Squeeze"))
        if kind == "Flatten":
            self.then(kind, shape=(shape[0], int(np.prod(shape[1:]))))
        elif kind == "Reshape":
            new = (shape[0], -1) if self.chance(2) else (shape[0], int(np.prod(shape[1:])), 1, 1)
            whole = (shape[0], int(np.prod(shape[1:])), *new[2:])
            self.then(kind, self.known(new, np.int64), shape=whole)
        elif kind == "Transpose":
            perm = list(self.draw(st.permutations(range(rank))))
            self.then(kind, perm=perm, shape=[shape[i] for i in perm])
        elif kind == "Unsqueeze" and rank < 4:
            self.then(kind, self.known([rank], np.int64), shape=(*shape, 1))
        elif kind == "Squeeze" and rank > 2 and shape[-1] == 1:
            self.then(kind, self.known([rank - 1], np.int64), shape=shape[:-1])

    def cut(self) -> None:
        """Slices, padding, repetition."""
        shape, rank = self.x.shape, len(self.x.shape)
        kind = self.pick(("Slice", "Split", "Pad", "Resize"))
        axis = self.pick(range(1, rank))
        if kind == "Slice" and shape[axis] > 1:
            first = self.draw(st.integers(0, shape[axis] - 1))
            last = self.draw(st.integers(first + 1, shape[axis]))
            step = self.pick((1, 1, 2))
            count = -(-(last - first) // step)
            ends = [self.known([v], np.int64) for v in (first, last, axis, step)]
            self.then(kind, *ends, shape=[count if i == axis else n for i, n in enumerate(shape)])
        elif kind == "Split" and shape[axis] > 1:
            first = self.draw(st.integers(1, shape[axis] - 1))
            sizes = self.known([first, shape[axis] - first], np.int64)
            name = self.name()
            outs = [name, f"{name}_rest"]
            self.nodes.append(helper.make_node(kind, [self.x.name, sizes], outs, name, axis=axis))
            self.become(name, [first if i == axis else n for i, n in enumerate(shape)])
        elif kind == "Pad":
            ends = [[0, 0, *(self.pick((0, 1, 2)) for _ in range(rank - 2))] for _ in range(2)]
            value = [self.known(self.pick((0.0, 0.0, 0.0, 0.5, -1.0)))] if self.chance(2) else []
            sizes = [n + a + b for n, a, b in zip(shape, *ends)]
            self.then(kind, self.known([*ends[0], *ends[1]], np.int64), *value, shape=sizes)
            if value:
                self.plain(self.x.name, largest=self.real + 1)
        elif kind == "Resize" and rank == 4:
            factors = [1, 1, self.pick((1, 2)), self.pick((1, 2, 3))]
            self.then(
                kind,
                "",
                self.known(np.array(factors, np.float32)),
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
                shape=[n * f for n, f in zip(shape, factors)],
            )

    def mean(self) -> None:
        """The mean over some axes, or a softmax over the last."""
        if self.chance(4):
            self.exact = False
            self.plain(self.node("Softmax", [self.x.name], axis=-1), largest=1.0)
            return
        axes = sorted({self.pick(range(1, len(self.x.shape))) for _ in range(2)})
        self.summed()
        self.rounded = True
        shape = [1 if i in axes else n for i, n in enumerate(self.x.shape)]
        name = self.node("ReduceMean", [self.x.name, self.known(axes, np.int64)], keepdims=1)
        self.plain(name, shape, self.real)

    def excite(self) -> None:
        """Scale each channel by a function of its mean."""
        before, real = self.x, self.real
        self.exact = False
        mean = self.node("GlobalAveragePool", [before.name])
        gate = self.node(self.pick(("Sigmoid", "HardSigmoid")), [mean])
        self.plain(self.node("Mul", [before.name, gate]), largest=real)

    def shuffle(self) -> None:
        """Channels become pixels."""
        n, c, h, w = self.x.shape
        if c % 4 == 0:
            shape = (n, c // 4, 2 * h, 2 * w)
            self.then("DepthToSpace", blocksize=2, mode=self.pick(("DCR", "CRD")), shape=shape)

    def attend(self) -> None:
        """The product of the current tensor with itself turned round."""
        n, c, length = self.x.shape
        if self.real**2 * length > 2.0**16:
            return
        self.summed()
        turned = self.node("Transpose", [self.x.name], perm=[0, 2, 1])
        size = self.real
        self.plain(self.node("MatMul", [self.x.name, turned]), (n, c, c), size**2 * length)

    def depthwise(self) -> None:
        """A scale for each channel, on what a depthwise convolution reads."""
        if not self.qonnx or self.x.shape[1] < 2:
            return
        self.rounded = False
        channels, rank = self.x.shape[1], len(self.x.shape)
        scale = self.scales(channels).reshape(1, channels, *[1] * (rank - 2))
        steps = [self.x.name, self.known(scale), self.known(0.0), self.known(4.0)]
        modes: dict[str, Any] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
        self.become(self.node("Quant", steps, domain=QONNX, **modes), scale=2.0, largest=8.0)
        w, largest = self.weights((channels, 1, *[1] * (rank - 2)), 0)
        size = self.real
        self.plain(self.node("Conv", [self.x.name, w], group=channels), largest=size * largest)

    def nothing(self) -> None:
        self.then(self.pick(("Identity", "Dropout")))

    def grow(self) -> None:
        """One more step."""
        spatial = len(self.x.shape) in (3, 4)
        square = len(self.x.shape) == 4
        steps: list[Callable[[], None]] = [
            self.dense,
            self.activation,
            self.with_row,
            self.residual,
        ]
        steps += [
            self.reshape,
            self.cut,
            self.nothing,
            self.quantise,
            self.quantise,
            self.batch_norm,
        ]
        steps += [self.conv] * 5 + [self.pool] * 2 if spatial else []
        steps += [self.conv_transpose, self.shuffle, self.excite] if square else []
        steps += [self.attend] if len(self.x.shape) == 3 else []
        steps += [self.mean, self.depthwise] if spatial else []
        self.pick(steps)()
        if int(np.prod(self.x.shape)) > 3000:
            ends = [self.known([v], np.int64) for v in (0, 1, 1, 1)]
            self.then("Slice", *ends, shape=(self.x.shape[0], 1, *self.x.shape[2:]))
