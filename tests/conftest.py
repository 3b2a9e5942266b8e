"""Hypothesis profiles, the `isa` marker, tiers in turn, and the folders of shared test code."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
# The root too: without it the folders tests/lowering, ... would pass for packages of those names.
for folder in (HERE.parent, HERE, HERE / "support"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

from kernel_report import (  # noqa: E402, F401
    pytest_addoption,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "nightly", deadline=None, max_examples=1000, suppress_health_check=SLOW, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


TIERS_OF_A_TEST = 3
"""Tiers on which a test runs that has a `tier`: where the host has more of them, each in its turn."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what the host cannot run, such as `@pytest.mark.isa("x86-64-v4")`; leave tiers out in turn."""
    for item in items:
        for mark in item.iter_markers("isa"):
            if reason := _missing(mark.args[0]):
                item.add_marker(pytest.mark.skip(reason=reason))
    if config.getoption("--all-tiers"):
        return
    spare = _spare(items)
    items[:] = [item for item in items if item not in spare]
    config.hook.pytest_deselected(items=list(spare))


def _spare(items: list[pytest.Item]) -> set[pytest.Item]:
    """Of the items that differ in their tier alone those that are not its turn, so that all get as many."""
    groups: dict[tuple[object, ...], list[pytest.Item]] = {}
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "tier" in params:
            # By identity: a parameter's number (`indices`) is one of all parameters together.
            rest = [(name, id(value)) for name, value in params.items() if name != "tier"]
            groups.setdefault((item.nodeid.partition("[")[0], *rest), []).append(item)
    spare: set[pytest.Item] = set()
    turn = 0
    for group in groups.values():
        size = len(group)
        if size > TIERS_OF_A_TEST:
            kept = {(turn + step) % size for step in range(TIERS_OF_A_TEST)}
            spare |= {item for place, item in enumerate(group) if place not in kept}
            turn += TIERS_OF_A_TEST
    return spare


def _missing(target: str) -> str:
    from lowering.backend.host import missing_on_host
    from microkernels.target import Target

    return missing_on_host(Target.parse(target))
