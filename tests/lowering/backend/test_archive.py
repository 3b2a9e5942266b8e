import shutil
import subprocess
from pathlib import Path

import pytest

from lowering.backend.archive import archive

NAMES = ("one", "a_longer_name")


def test_an_archive_is_as_ar_writes_it(tmp_path: Path):
    held = archive("net", b"\x7fELF" + bytes(21), NAMES)
    assert held.startswith(b"!<arch>\n/ ") and len(held) % 2 == 0
    # Both symbols are in the member whose header begins there.
    places = [int.from_bytes(held[n : n + 4], "big") for n in (68, 72, 76)]
    assert places[0] == 2 and held[places[1] :].startswith(b"net.o/") and places[1] == places[2]
    assert held[80:].startswith(b"one\0a_longer_name\0")


@pytest.mark.skipif(shutil.which("nm") is None, reason="no binutils")
def test_binutils_read_it(tmp_path: Path):
    import lowbit

    made = lowbit.export(lowbit.dense((2, 40), (40, 8), "uint2", "int2"), directory=tmp_path)
    told = subprocess.run(["nm", "-s", made.archive], capture_output=True, text=True, check=True)
    assert "network in network.o" in told.stdout and "network_pack in network.o" in told.stdout
