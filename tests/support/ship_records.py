"""The best of some logs as a file that ships: `ship_records.py zen4-avx2 LOG [LOG ...]`.

Logs are made by `lowbit tune --suite resnet18 --activation ... --weight ... --log LOG` on a quiet core, for
each pair that ships (`tests/autotune/test_shipped.py`).
"""

from __future__ import annotations

import sys

from autotune.log import Log
from autotune.records import SHIPPED, best_of


def ship(name: str, logs: list[str]) -> None:
    """Write the best record of each op anew."""
    records = [record for log in logs for record in Log(log).read().records]
    path = SHIPPED / f"{name}.jsonl"
    path.unlink(missing_ok=True)
    Log(path).extend(sorted(best_of(records), key=lambda record: record.op))
    print(path, len(Log(path).read().records))


if __name__ == "__main__":
    ship(sys.argv[1], sys.argv[2:])
