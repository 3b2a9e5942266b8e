import copy
import os
import pickle  # noqa: TID251
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import lowbit
from lowbit.cache import Cache, key_of, user_folder
from lowbit.code_generation import generate
from lowbit.errors import describe
from lowbit.saved import from_bytes, read_own, to_bytes
from lowbit.signature import inputs_of
from lowbit_dialect.example_arrays import random_values


def arrays_of(program: lowbit.Program) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        random_values(tuple(one.type.get_shape()), one.type.element_type, rng)
        for one in inputs_of(program)
    ]


@pytest.fixture(scope="module")
def program() -> lowbit.Program:
    """With an input packed ahead, constants in the object, scratch memory and two results."""
    p = lowbit.Program()
    x = p.input((2, 40), "uint3", name="x")
    w = p.input((40, 24), "int2", name="w", constant=True)
    steps = np.sort(np.random.default_rng(0).integers(-50, 50, (24, 3)), axis=1)
    codes = p.threshold(p.dense(x, w), p.constant(steps.astype(np.int32), "i32"), "uint2")
    v = p.constant(np.random.default_rng(1).integers(-1, 2, (24, 9)), "ternary")
    p.output(codes, p.dense(codes, v))
    return p


@pytest.fixture(scope="module")
def kernel(program) -> lowbit.Kernel:
    return lowbit.compile(program)


@pytest.fixture(scope="module")
def data(kernel) -> bytes:
    return to_bytes(kernel.saved())


def same(kernel: lowbit.Kernel, program: lowbit.Program) -> bool:
    arrays = arrays_of(program)
    return all(map(np.array_equal, kernel(*arrays), lowbit.reference(program, *arrays)))


def test_a_loaded_kernel_is_the_saved_one(program, kernel, tmp_path) -> None:
    kernel.save(tmp_path / "kernel.lbk")
    loaded = lowbit.load(tmp_path / "kernel.lbk")
    assert same(loaded, program)
    assert same(lowbit.load(str(tmp_path / "kernel.lbk")), program)
    assert (loaded.signature, loaded.schedules) == (kernel.signature, kernel.schedules)
    assert str(loaded.program) == str(program) and loaded.target == kernel.target
    assert loaded.ir("graph") == kernel.ir("graph")
    assert loaded.assembly() == kernel.assembly()
    assert loaded(arrays_of(program)[0], kernel.pack(w=arrays_of(program)[1]))
    loaded.save(tmp_path / "again.lbk")
    assert (tmp_path / "again.lbk").read_bytes() == (tmp_path / "kernel.lbk").read_bytes()


def test_another_process_runs_it(program, kernel, tmp_path) -> None:
    kernel.save(tmp_path / "kernel.lbk")
    arrays = arrays_of(program)
    np.savez(tmp_path / "in.npz", *arrays)
    code = (
        "import lowbit, numpy as np; kernel = lowbit.load('kernel.lbk'); "
        "np.savez('out.npz', *kernel(*np.load('in.npz').values()))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(lowbit.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    expected = lowbit.reference(program, *arrays)
    assert all(map(np.array_equal, np.load(tmp_path / "out.npz").values(), expected))


def test_several_threads_stay_as_many() -> None:
    program = lowbit.dense((64, 64), (64, 64), "uint2", "int2")
    kernel = lowbit.compile(program, threads=2)
    loaded = pickle.loads(pickle.dumps(kernel))
    arrays = arrays_of(program)
    assert loaded.threads == kernel.threads and loaded.code.tasks == kernel.code.tasks
    assert np.array_equal(loaded(*arrays), lowbit.reference(program, *arrays))


def test_a_kernel_for_another_machine_is_saved_too(tmp_path) -> None:
    kernel = lowbit.compile(lowbit.dense((1, 8), (8, 4), "uint1", "uint1"), "x86-64-v4-vpopcntdq")
    kernel._why_not, kernel._image = "it is far away", None
    kernel.save(tmp_path / "kernel.lbk")
    assert lowbit.load(tmp_path / "kernel.lbk").target.name == "x86-64-v4-vpopcntdq"


def test_copies(program, kernel) -> None:
    arrays = arrays_of(program)
    packed = kernel.pack(arrays[1])
    assert copy.deepcopy(kernel) is kernel is copy.copy(kernel)
    assert same(pickle.loads(pickle.dumps(kernel)), program)
    for other in (copy.deepcopy(packed), copy.copy(packed), pickle.loads(pickle.dumps(packed))):
        assert all(one.ctypes.data % 64 == 0 for one in other.arrays)
        assert other.arrays[0] is not packed.arrays[0]
        assert np.array_equal(kernel(arrays[0], other)[1], kernel(*arrays)[1])
    for other in (copy.deepcopy(program), copy.copy(program), pickle.loads(pickle.dumps(program))):
        assert str(other) == str(program) and other.module is not program.module
    with pytest.raises(TypeError, match="a bound call is about memory of this process"):
        pickle.dumps(kernel.bind(arrays[0], packed))


def test_a_kernel_keeps_the_program_that_it_was_made_of() -> None:
    program = lowbit.dense((1, 8), (8, 4), "uint1", "uint1")
    kernel, text = lowbit.compile(program), str(program)
    program.output(program.clip(program.outputs[0], minimum=0))
    assert str(kernel.program) == text != str(program)


def test_damaged_files_are_refused(data, tmp_path) -> None:
    def refuse(damaged: bytes, message: str) -> None:
        path = tmp_path / "kernel.lbk"
        path.write_bytes(damaged)
        path.chmod(0o600)
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{message}"):
            lowbit.load(path)

    refuse(b"", "this is no saved kernel")
    refuse(b"PK" + data[2:], "this is no saved kernel")
    refuse(data[:-1], "cut short, or more follows it")
    refuse(data + b"\0", "cut short, or more follows it")
    refuse(data[:8] + b"\x07" + data[9:], "the format is 7, not 1: compile the program again")
    for place in (50, 100, len(data) // 2, len(data) - 1):
        changed = bytes([data[place] ^ 1])
        refuse(data[:place] + changed + data[place + 1 :], "its checksum is another")
    refuse(resealed(data, b'"lowbit":"0', b'"lowbit":"9'), "lowbit 9.* wrote it, and this is")
    refuse(resealed(data, b'"tasks":[]', b'"tasks":{}'), "expected list, not {}")
    refuse(resealed(data, b'"packed":0', b'"packed":9'), "nothing gives parameter")
    refuse(resealed(data, b'"symbol":"main"', b'"symbol":"mail"'), "no symbol mail")
    refuse(resealed(data, b"tensor<", b"memref<"), "expected a tensor type")
    refuse(resealed(data, b"\x7fELF\x02", b"\x7fELF\x01"), "ELF object")


def resealed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with other contents and the right checksum."""
    assert old in data and len(old) == len(new)
    changed = data.replace(old, new)
    digest = sha256(changed[:40] + bytes(32) + changed[72:]).digest()
    return changed[:40] + digest + changed[72:]


def test_only_files_of_ones_own_are_read(kernel, tmp_path) -> None:
    path = tmp_path / "kernel.lbk"
    kernel.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o620)
    with pytest.raises(ValueError, match=r"kernel\.lbk: other users can write to it.*chmod go-w"):
        lowbit.load(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: this is no regular file"):
        lowbit.load(tmp_path / "pipe")
    for kind, name in ((FileNotFoundError, "missing"), (IsADirectoryError, "")):
        with pytest.raises(kind) as refusal:
            lowbit.load(tmp_path / name)
        told = describe(refusal.value)
        assert told.startswith(f"{tmp_path / name}: ")
        assert told.endswith(": give a file that Kernel.save or lowbit compile -o wrote")
    with pytest.raises(OSError, match=r"nowhere/kernel\.lbk"):
        kernel.save(tmp_path / "nowhere" / "kernel.lbk")
    kernel.save(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kernel.lbk", "pipe"]


def test_the_cache_finds_what_was_compiled_before(program, tmp_path, monkeypatch) -> None:
    compiled = []
    monkeypatch.setattr(
        "lowbit.compiling.generate", lambda *a, **k: compiled.append(a) or generate(*a, **k)
    )
    small = lowbit.dense((1, 8), (8, 4), "uint1", "uint1")
    folder = tmp_path / "cache"
    first, again = (lowbit.compile(small, cache=folder) for _ in range(2))
    assert len(compiled) == 1 and folder.stat().st_mode & 0o777 == 0o700
    arrays = arrays_of(small)
    assert np.array_equal(first(*arrays), again(*arrays))
    assert str(again.program) == str(small) and again.ir("graph") == first.ir("graph")
    lowbit.compile(small, schedule="pixels = 1", cache=folder)
    lowbit.compile(small, "x86-64", cache=folder)
    lowbit.compile(small, verify_each=True, cache=folder)
    assert len(compiled) == 4 and len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("size", [4, 4000])
def test_one_element_of_a_constant_makes_another_kernel(size: int, tmp_path) -> None:
    """Few are in the key as text, many by a digest."""
    found = []
    for last in (0, 1, 0):
        p = lowbit.Program()
        weights = np.ones((size, 2), np.uint8)
        weights[0, 0], weights[-1, -1] = 0, last
        x = p.input((1, size), "uint1")
        p.output(p.dense(x, p.constant(weights, "uint1")))
        found.append(lowbit.compile(p, cache=tmp_path)(np.ones((1, size), np.uint8)).tolist())
    assert found == [[[size - 1, size - 1 + last]] for last in (0, 1, 0)]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_damaged_in_the_cache_is_made_again(tmp_path) -> None:
    program = lowbit.dense((1, 8), (8, 4), "uint1", "uint1")
    lowbit.compile(program, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:100], whole[:-9] + bytes(9)):
        kept.write_bytes(damaged)
        lowbit.compile(program, cache=tmp_path)
        assert kept.read_bytes() == whole
    kept.chmod(0o666)
    assert Cache(tmp_path).find(kept.stem) is None


def test_the_oldest_leave_a_full_cache(kernel, tmp_path, monkeypatch) -> None:
    cache, saved = Cache(tmp_path), kernel.saved()
    monkeypatch.setattr("lowbit.cache.MOST_BYTES", 2 * len(to_bytes(saved)))
    (tmp_path / "mine.lbk").write_bytes(b"stays")
    for age, key in enumerate(("a", "b", "c")):
        cache.keep(key, saved)
        os.utime(tmp_path / f"{key}.cached", (age, age))
        if key == "b":
            assert cache.find("a") is not None
            os.utime(tmp_path / "a.cached", (9, 9))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.cached", "c.cached", "mine.lbk"]


def test_a_cache_that_cannot_be_used_is_refused(tmp_path) -> None:
    program = lowbit.dense((1, 8), (8, 4), "uint1", "uint1")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^cache folder .*file: File exists"):
        lowbit.compile(program, cache=tmp_path / "file")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ValueError, match=r"^cache folder .*open: other users can write to it"):
        lowbit.compile(program, cache=tmp_path / "open")


def test_the_users_cache_lies_where_the_system_says(tmp_path, monkeypatch) -> None:
    program = lowbit.dense((1, 8), (8, 4), "uint1", "uint1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "told"))
    lowbit.compile(program, cache=True)
    assert len(list((tmp_path / "told" / "lowbit").glob("*.cached"))) == 1
    monkeypatch.setenv("HOME", str(tmp_path))
    for told in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", told)
        assert user_folder() == tmp_path / ".cache" / "lowbit"


def test_a_full_disk_costs_the_cache_alone(tmp_path, monkeypatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("lowbit.cache.write_at_once", full)
    program = lowbit.dense((1, 8), (8, 4), "uint1", "uint1")
    with pytest.warns(UserWarning, match="the kernel is not cached: No space left on device: "):
        kernel = lowbit.compile(program, cache=tmp_path)
    assert kernel(*arrays_of(program)).shape == (1, 4)


def test_a_key_stands_for_its_texts_in_order() -> None:
    assert len({key_of("a", "b"), key_of("b", "a"), key_of("ab", ""), key_of("ab")}) == 4


def test_concurrent_writers_leave_a_whole_file(kernel, tmp_path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path, whole = tmp_path / "kernel.lbk", to_bytes(kernel.saved())
    kernel.save(path)

    def write_and_read(_: int) -> bool:
        kernel.save(path)
        return to_bytes(from_bytes(read_own(path))) == whole

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(write_and_read, range(40)))
    assert [one.name for one in tmp_path.iterdir()] == ["kernel.lbk"]
