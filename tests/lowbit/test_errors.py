"""How warnings reach a person."""

import warnings

import pytest

from lowbit.errors import report


@pytest.mark.filterwarnings("always")
def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]):
    def warn() -> None:
        warnings.warn("a file\nis not used", stacklevel=2)

    assert report("lowbit", warn) == 0
    assert capsys.readouterr().err == "lowbit: warning: a file; is not used\n"
