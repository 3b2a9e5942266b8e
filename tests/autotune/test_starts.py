"""What records of like layers propose is made to fit, or dropped."""

from random import Random

from record_draws import took
from toy_space import LAYERS, Toy

from autotune.starts import recorded
from lowbit_dialect.schedule import Schedule

OP = "conv2d 3x3 uint2 x odd1: 1x14x14x256 to 256"


class Fitting(Toy):
    """A toy that has a child, too, where the parents do not fit."""

    def cross(self, first: Schedule, second: Schedule, random: Random) -> Schedule:
        return self.sample(random) if self.refusal(first) else self.canonical(first)


def test_like_layers_propose_what_fits() -> None:
    toy, random = LAYERS["C9"], Random(0)
    good, other, unlike = (toy.sample(random) for _ in range(3))
    texts = {
        "14x14x256 to 256": str(good),
        "14x14x512 to 256": str(good),
        "7x7x256 to 256": "pixels = several",
        "7x7x512 to 256": str(Schedule(microkernel="none", pixels=14, vectors=8)),
        "7x7x512 to 512": str(other),
    }
    records = [
        took(1.0, op=f"conv2d 3x3 uint2 x odd1: 1x{size}", schedule=text)
        for size, text in texts.items()
    ]
    records.append(took(0.1, op=OP.replace("3x3", "1x1"), schedule=str(unlike)))
    assert recorded(Fitting(), records, OP, count=9) == [good, other]
    assert recorded(Fitting(), records, OP, count=1) == [good]
