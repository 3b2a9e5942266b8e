"""Boot a memory image in Bochs, on processors that this machine is not, and read it back.

Of Bochs only the processor and the memory are used: `bochs_rom.S` is all the firmware there is, and a
debugger command writes the memory to a file. Bochs insists on a display, so it gets a terminal.
"""

import os
import pty
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

HEADER = 1 << 20
"""Where the image lies in memory."""

CONFIGURATION = """
display_library: term
romimage: file=rom
optramimage1: file=image, address={base:#x}
memory: guest={megabytes}, host={megabytes}
cpu: model={cpu}, reset_on_triple_fault=0
clock: sync=none, time0=1
magic_break: enabled=1
sound: waveoutdrv=dummy
panic: action=fatal
error: action=ignore
info: action=ignore
log: log
"""


class EmulatorError(Exception):
    """The emulator did not come to the end of the calls."""


def missing() -> str:
    """Say in a sentence what this machine lacks to emulate, or nothing."""
    absent = [tool for tool in ("bochs-bin", "as", "ld") if not shutil.which(tool)]
    plugins = Path("/usr/lib/x86_64-linux-gnu/bochs/plugins")
    if not absent and not (plugins / "libbx_term_gui.so").exists():
        absent = ["libbx_term_gui.so"]
    hint = "on Debian: apt-get install bochs bochs-term binutils"
    return f"emulation needs {', '.join(absent)}, not installed; {hint}" if absent else ""


def boot(image: bytes, cpu: str, result_at: int, timeout: float) -> bytes:
    """Run an image until the break point of the firmware; return it as it then is.

    `cpu` is a model of Bochs, such as `corei7_icelake_u`; `result_at` is where the page tables show the
    image. Raises `EmulatorError`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = Path(__file__).with_name("bochs_rom.S")
        execute(["as", "--64", str(source), "-o", "rom.o"], folder)
        execute(["ld", "-Ttext=0xffff0000", "--oformat=binary", "rom.o", "-o", "rom"], folder)
        (folder / "image").write_bytes(image)
        megabytes = -(-(HEADER + len(image)) // (32 << 20)) * 32
        configuration = CONFIGURATION.format(base=HEADER, megabytes=megabytes, cpu=cpu)
        (folder / "machine").write_text(configuration)
        commands = f'continue\nwritemem "after" {result_at:#x} {len(image)}\nquit\n'
        (folder / "commands").write_text(commands)
        said = _on_terminal(
            ["bochs-bin", "-q", "-f", "machine", "-rc", "commands"], folder, timeout
        )
        after = folder / "after"
        if not after.exists() or after.stat().st_size != len(image):
            log = folder / "log"
            lines = log.read_text(errors="replace")[-1000:] if log.exists() else ""
            raise EmulatorError(f"the emulator stopped early: {said[-1000:]}\n{lines}")
        return after.read_bytes()


def execute(command: Sequence[str], folder: Path) -> None:
    """Run a tool; raise `EmulatorError` with what it said if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise EmulatorError(f"{command[0]} failed: {done.stderr[:2000]}")


def _on_terminal(command: Sequence[str], folder: Path, timeout: float) -> str:
    """Run a command on a terminal of its own; return what it said."""
    ours, its = pty.openpty()
    said = bytearray()

    def listen() -> None:
        try:
            while part := os.read(ours, 1 << 16):
                said.extend(part)
        except OSError:
            pass  # how a terminal ends

    environment = {**os.environ, "TERM": "linux"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment,
        start_new_session=True,
    )
    os.close(its)
    listener = Thread(target=listen)
    listener.start()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise EmulatorError(f"the emulator did not finish within {timeout} s") from None
    finally:
        process.kill()
        process.wait()
        listener.join()
        os.close(ours)
    return said.decode("utf-8", "replace")
