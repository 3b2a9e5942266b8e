"""Mutations of valid programs into hostile ones: one token is replaced, here or everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"(?:tensor|memref)<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>"  # a shaped type, layout and all
    r"|array<i64[^>]*>|\[[-\d, ]+\]|dense<[^>]*>|#lowbit\.schedule<[^>]*>"
    r"|epilogue \{.*?\n  \}|\^bb0\([^)]*\):|\"\w+\"|![a-z]+\.\w+(?:<\d>)?|-?\d+ : i64|\b[if]\d+\b",
    re.DOTALL,
)

TYPES = (
    "i32",
    "index",
    "none",
    "f64",
    "vector<4xi32>",
    "tensor<*xi32>",
    "tensor<i32>",
    "tensor<0xi32>",
    "tensor<?xi32>",
    "tensor<?x?x?x?x!lowbit.uint<2>>",
    "tensor<1x4x4x4xbf16>",
    "tensor<1x4x4x4xi7>",
    "tensor<1x4x4x4xi1>",
    "tensor<1x4x4x4xui8>",
    "tensor<4x4xindex>",
    "tensor<2x2xf64>",
    "tensor<1x4x4x4xi32>",
    "tensor<2x3x8x!lowbit.odd<8>>",
    "tensor<3x70x!lowbit.uint<8>>",
    "tensor<4xvector<4xi32>>",
    'tensor<4xi32, "row">',
    "memref<i32>",
    "memref<?x4xi32>",
    "memref<4x4xi32>",
    "memref<4x8xi32, strided<[16, 1]>>",
    "memref<1x4x4x8xi16, affine_map<(a, b, c, d) -> (a, b, d, c)>>",
    "memref<4x4xi32, 1 : i32>",
    "tensor<99999999999999999999x99999999999999999999xi32>",
    "tensor<1x4000000000x4000000000x4x!lowbit.uint<2>>",
    "tensor<1x2147483647x2x4x!lowbit.int<4>>",
    "tensor<4x8x!lowbit.odd<1>, #lowbit.layout<[], i8>>",
    "tensor<4x8x!lowbit.odd<1>, #lowbit.layout<[planes], i8>>",
    "tensor<4x8x!lowbit.odd<1>, #lowbit.layout<[d0, d1], i8>>",
    "tensor<4x8x!lowbit.odd<1>, #lowbit.layout<[d0, planes, d1 by 9], i8>>",
    "tensor<4x8x!lowbit.odd<1>, #lowbit.layout<[d0, planes, d1 by 999999999999999999999], i8>>",
    "tensor<4x8x!lowbit.odd<1>, #lowbit.layout<[d0, d1 by 9999999999, d1 in 9999999999], i8>>",
    "tensor<4x8xf32, #lowbit.layout<[d0, planes, d1 by 8], i8>>",
    "tensor<4x8x!lowbit.odd<8>, #lowbit.layout<[d0, d1], i8>>",
    "tensor<4x8xf32, #lowbit.layout<[d0, d1], i8>>",
    "tensor<4x8xi32, #lowbit.layout<[d1, d0], i8>>",
    "tensor<4x8xi32, #lowbit.layout<[d1, d0], f32>>",
    "tensor<4x!lowbit.uint<0>>",
    "tensor<4x!lowbit.int<9>>",
)
VALUES = (
    "0 : i64",
    "-1 : i64",
    "9223372036854775807 : i64",
    "99999999999999999999999 : i64",
    "7 : index",
    "1.5 : f32",
    "0x7FC00000 : f32",
    "unit",
    '"nchw"',
    '"no such thing"',
    "array<i64>",
    "array<i64: 0, 0>",
    "array<i64: -1, 1>",
    "array<i64: 1, 1, 1, 1>",
    "array<i64: -1, -1, -1, -1>",
    "array<i64: 0, 0, 1000000000000, 0>",
    "array<i64: 1000000000000, 1>",
    "array<i64: 1073741823, 2>",
    "array<i32: 1, 1>",
    "array<f32: 1.5, 1.5>",
    "array<f32: 1.5, 1.5, 0.0, 0.0>",
    "[0, 1, 2]",
    "[5, 5]",
    "[]",
    "dense<[]>",
    "dense<200>",
    "dense<1.5>",
    "dense<[[1, 2], [3, 4]]>",
    "#lowbit.schedule<algorithm = none>",
    "#lowbit.schedule<pixels = 0>",
    "#lowbit.schedule<pixels = 99999999999999>",
    "#lowbit.schedule<>",
    "!lowbit.odd<1>",
    "f32",
)
YIELD = "    lowbit.yield %e : i32\n"
RESHAPE = "%w : tensor<70x10x!lowbit.int<4>> -> tensor<700x!lowbit.int<4>>"
REGIONS = (
    "",
    "epilogue {}",
    "epilogue {\n  ^bb0:\n  }",
    f"epilogue {{\n  ^bb0(%e: i32, %f: i32):\n{YIELD}  }}",
    "epilogue {\n  ^bb0(%e: i32):\n  }",
    f"epilogue {{\n  ^bb0(%e: i32):\n{YIELD}  ^bb1(%f: i32):\n    lowbit.yield %f : i32\n  }}",
    f"epilogue {{\n  ^bb0(%e: i32):\n{YIELD}{YIELD}  }}",
    "epilogue {\n  ^bb0(%e: index):\n    lowbit.yield %e : index\n  }",
    "epilogue {\n  ^bb0(%e: tensor<4xi32>):\n    lowbit.yield %e : tensor<4xi32>\n  }",
    "epilogue {\n  ^bb0(%e: i32):\n    func.return\n  }",
    f"epilogue {{\n  ^bb0(%e: i32):\n    %s = lowbit.reshape {RESHAPE}\n{YIELD}  }}",
)


def replacements(token: str) -> tuple[str, ...]:
    """What a token may be replaced by."""
    if token.startswith("epilogue"):
        return REGIONS
    if token.startswith(("tensor", "memref", "i", "f", "!", "^")):
        return (*TYPES, "")
    return (*VALUES, "")


def mutations(text: str) -> Iterator[str]:
    """Every mutation of a program."""
    body = "\n".join(line for line in text.splitlines() if not line.strip().startswith("//"))
    tokens = dict.fromkeys(match[0] for match in TOKEN.finditer(body))
    for token in tokens:
        for other in replacements(token):
            yield body.replace(token, other)
            if body.count(token) > 1:
                yield body.replace(token, other, 1)
                yield other.join(body.rsplit(token, 1))
