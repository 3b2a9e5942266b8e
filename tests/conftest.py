"""Hypothesis profiles, the `isa` marker, and the folders of shared test code."""

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what the host cannot run, such as `@pytest.mark.isa("x86-64-v4")`."""
    for item in items:
        for mark in item.iter_markers("isa"):
            if reason := _missing(mark.args[0]):
                item.add_marker(pytest.mark.skip(reason=reason))


def _missing(target: str) -> str:
    from lowering.backend.host import missing_on_host
    from microkernels.target import Target

    return missing_on_host(Target.parse(target))
