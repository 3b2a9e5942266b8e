"""Walk a convolution down the pipeline: what each stage holds, and the line that shows what it is about."""

from collections import Counter

import lowbit

TELLING = {
    "graph": "lowbit.conv2d",
    "plan": "lowbit.conv2d",
    "buffers": "outs(",
    "loops": "lowbit.tile",
    "kernels": "llvm.call_intrinsic",
    "llvm": "llvm.call_intrinsic",
}

program = lowbit.conv2d((1, 8, 8, 32), (3, 3, 32, 16), "uint1", "odd1", strides=1, padding=1)
kernel = lowbit.compile(program)
for stage, word in TELLING.items():
    lines = [line.strip() for line in kernel.ir(stage).splitlines()]
    ops = (line.split(" = ")[-1].split(" ")[0].split("(")[0] for line in lines)
    dialects = Counter(
        op.split(".")[0] for op in ops if "." in op and not op.startswith(("%", "^"))
    )
    print(f"{stage:8} {dict(dialects)}")
    print(f"         {next(line for line in lines if word in line)[:90]}")
