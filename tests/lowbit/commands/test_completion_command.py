"""`lowbit completion`."""

import shutil
import subprocess

import pytest
from command_line import output


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "completion", shell)
    assert '"compile --emit") words="summary graph plan' in text
    assert (
        '*) words="compile run bench tune precision explain export import targets completion" ;;'
        in text
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(capsys: pytest.CaptureFixture[str]) -> None:
    script = output(capsys, "completion", "bash")
    tried = (
        "COMP_WORDS=(lowbit {0}); COMP_CWORD={1}; _lowbit lowbit {2} {3}; echo ${{COMPREPLY[@]}}"
    )
    script += "\n" + tried.format("com", 1, "com", "lowbit")
    script += "\n" + tried.format("bench --su", 2, "--su", "bench")
    script += "\n" + tried.format("bench --suite d", 3, "d", "--suite")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["compile completion", "--suite", "dense"]
