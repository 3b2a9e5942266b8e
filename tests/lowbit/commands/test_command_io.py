"""What commands write while they work."""

import time

import pytest

from lowbit.commands import command_io


def test_a_bar_appears_on_a_terminal_after_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(command_io, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with command_io.progress("thinking") as advance:
        for done in range(50):
            advance(done, 50)
            time.sleep(0.005)
    captured = capsys.readouterr()
    assert "thinking" in captured.err
    assert captured.out == ""
