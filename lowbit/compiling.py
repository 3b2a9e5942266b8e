"""From programs to kernels: compile one, or load one that was saved."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from io import StringIO
from pathlib import Path

from xdsl.passes import ModulePass

from lowbit.argument_checks import instance
from lowbit.cache import Cache, key_of
from lowbit.code_generation import Request, generate, resolve
from lowbit.kernel import Kernel
from lowbit.lowered import after_passes
from lowbit.pipeline import limited, read_schedule, reads_records
from lowbit.program import Program
from lowbit.saved import from_bytes, read_own
from lowbit_dialect.ops.values import Digests
from lowbit_dialect.schedule import Schedule
from microkernels.target import Target


def compile(
    program: Program,
    target: str | Target = "host",
    schedule: str | Schedule = "default",
    threads: int = 1,
    verify_each: bool = False,
    *,
    ram: int | None = None,
    passes: Sequence[ModulePass | str] = (),
    cache: bool | str | Path = False,
) -> Kernel:
    """Compile a program for a target.

    `schedule` is `default`; `model`; `records`, for what `lowbit.tune` found on a machine like this one;
    `exact`, for what by prediction is the best for all ops together, with an arena of `ram` bytes at most;
    or a `Schedule` or its text, `pixels = 4, vectors = 2`, for every op that does not pin its own. A call
    shares its work out to `threads` at most, as many as there are usable cores; the results are the same bits
    for any number. `passes` of one's own, as values or as text, run first, on the program as it is given:
    that may be IR of any stage, `lowbit.parse(kernel.ir("plan"))`. `cache` keeps kernels on disk, in the
    folder given or, if True, in the user's cache, and finds what was compiled from the same program by the
    same versions. Raises ValueError naming the op or option that is wrong.
    """
    program = after_passes(program, passes)
    text = str(limited(read_schedule(schedule), ram)) or "default"
    request = Request(str(resolve(target)), text, check_threads(threads))
    store = Cache.of(cache)
    if store is None:
        return _compile(program, request, verify_each)
    asked = request.target, request.schedule, str(request.threads)
    key = key_of(_outline(program), *asked, _known(request))
    found = None if verify_each else store.find(key)
    if found is not None:
        try:
            return Kernel.restored(found, deepcopy(program))
        except ValueError:  # what was kept is none of ours
            pass
    kernel = _compile(program, request, verify_each)
    store.keep(key, kernel.saved(with_program=False))
    return kernel


def _outline(program: Program) -> str:
    """The program as text, with digests of its constants: 46 MB of weights take a tenth of the time so."""
    text = StringIO()
    Digests(text).print_op(program.module)
    return text.getvalue()


def _known(request: Request) -> str:
    """What decides the code besides what is asked for: the records as they are now."""
    if not reads_records(request.schedule):
        return ""
    from autotune.recorded import fingerprint

    return fingerprint()


def check_threads(threads: int) -> int:
    """Return `threads`; raises ValueError unless it is a number of threads."""
    if type(threads) is not int or threads < 1:
        raise ValueError(f"threads is a whole number of at least 1, not {threads!r}")
    return threads


def _compile(program: Program, request: Request, verify_each: bool) -> Kernel:
    code = generate(
        program,
        request.target,
        request.schedule,
        threads=request.threads,
        verify_each=verify_each,
    )
    return Kernel(deepcopy(program), request, code)


def load(path: str | Path) -> Kernel:
    """Read a kernel that `Kernel.save` wrote.

    It holds machine code, and what it holds is trusted: the file must belong to this user or root, and
    nobody else may have been able to write it. Raises OSError or ValueError naming the file and what is
    wrong with it.
    """
    try:
        return Kernel.restored(from_bytes(read_own(Path(instance("path", path, str, Path)))))
    except OSError as error:
        reason = f"{error.strerror}: give a file that Kernel.save or lowbit compile -o wrote"
        raise OSError(error.errno, reason, str(path)) from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
