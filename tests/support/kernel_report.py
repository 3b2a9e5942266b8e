"""pytest hooks: what the executed kernels covered, added up over xdist's processes and printed at the end."""

import sys
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-matrix",
        action="store_true",
        help="run every point of tests/lowering/test_matrix.py",
    )
    parser.addoption(
        "--all-tiers",
        action="store_true",
        help="run tests of tiers on all tiers of the host, not on some in turn",
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process of xdist's, hand over what it covered."""
    output = getattr(session.config, "workeroutput", None)
    executed = sys.modules.get("executed")
    if output is not None and executed is not None:
        output["kernels"] = executed.COVERAGE.dump()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    dumped = getattr(node, "workeroutput", {}).get("kernels")
    if dumped:
        from executed import COVERAGE

        COVERAGE.merge(dumped)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, if any kernel ran."""
    executed = sys.modules.get("executed")
    if executed is None or not executed.COVERAGE.programs:
        return
    terminalreporter.section("executed kernels")
    for line in executed.COVERAGE.table():
        terminalreporter.write_line(line)
