"""Who may import whom: every import of every module, lazy ones too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("lowbit_dialect", "microkernels", "lowering", "autotune", "lowbit")
"""Each room imports from itself and from those before it."""

DEPENDENCIES = {"llvmlite", "numpy", "rich", "typing_extensions", "xdsl"}
"""Declared ones, and what xDSL itself requires."""

ONNX = {"onnx", "google"}
"""The extra, and protobuf, which comes with it."""

PEERS = {"onnx", "onnxruntime", "openvino", "torch"}
"""The extra of the one file that runs other systems."""
CLUSTER = {"distributed"}
"""The extra of the one file that measures on other machines."""
MODEL = {"capstone", "elftools", "unicorn"}
"""The extra of the folder that emulates other processors."""
PUBLIC_XDSL = {
    "backend",
    "builder",
    "context",
    "dialects",
    "folder",
    "interfaces",
    "ir",
    "irdl",
    "parser",
    "passes",
    "pattern_rewriter",
    "printer",
    "rewriter",
    "traits",
    "transforms",
    "universe",
    "utils",
    "xdsl_opt_main",
}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}

FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """The parts of every module that is imported below a node; relative imports stand for themselves."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports are absolute"
            module = tuple((inner.module or "").split("."))
            yield from ((*module, alias.name) for alias in inner.names)
        elif isinstance(inner, ast.Call) and _calls(inner) == "import_module":
            argument = inner.args[0]
            if isinstance(argument, ast.Constant):
                yield tuple(str(argument.value).split("."))


def _calls(node: ast.Call) -> str:
    match node.func:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def top_level(path: Path) -> Iterator[tuple[str, ...]]:
    """What importing the module imports at once: all but the bodies of functions."""
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_point_one_way(path: Path):
    room = path.relative_to(ROOT).parts[0]
    above = set(ROOMS[ROOMS.index(room) + 1 :]) | {"tests", "examples"}
    wrong = [".".join(parts) for parts in imports(tree(path)) if parts[0] in above]
    assert not wrong, f"{room} imports {', '.join(wrong)}"


def test_folders_of_a_room_import_one_way():
    pairs: set[tuple[str, str]] = set()
    for path in FILES:
        *above, folder = path.relative_to(ROOT).parent.parts
        for parts in imports(tree(path)):
            if len(above) == 1 and parts[0] == above[0] and parts[1] != folder:
                pairs.add((f"{above[0]}/{folder}", f"{parts[0]}/{parts[1]}"))
    wrong = sorted(pair for pair in pairs if pair[::-1] in pairs)
    assert not wrong, f"import each other: {wrong}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_dependencies(path: Path):
    allowed = {*DEPENDENCIES, *ROOMS, *sys.stdlib_module_names}
    extras = {
        ROOT / "lowbit" / "bench" / "peers.py": PEERS,
        ROOT / "lowbit" / "bench" / "network_peers.py": PEERS,
        ROOT / "autotune" / "cluster.py": CLUSTER,
        ROOT / "lowbit" / "torch.py": {"torch", "brevitas"},
    }
    folders = {
        ROOT / "lowbit_dialect" / "importers": ONNX,
        ROOT / "lowering" / "emulation": MODEL,
    }
    lazy = folders.get(path.parent, extras.get(path, set[str]()))
    found = {parts[0] for parts in imports(tree(path))}
    assert found <= allowed | lazy, f"imports {', '.join(sorted(found - allowed - lazy))}"
    assert not lazy & {parts[0] for parts in top_level(path)}, "an extra is imported lazily"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_the_backend_knows_llvm(path: Path):
    backend = path.is_relative_to(ROOT / "lowering" / "backend")
    found = [".".join(parts) for parts in imports(tree(path)) if parts[0] == "llvmlite"]
    assert backend or not found, f"imports {', '.join(found)}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_public_packages_of_xdsl(path: Path):
    for parts in imports(tree(path)):
        if parts[0] == "xdsl" and len(parts) > 1:
            assert parts[1] in PUBLIC_XDSL, f"imports {'.'.join(parts)}"
            private = [part for part in parts[1:] if part == "core" or part.startswith("_")]
            assert not private, f"imports {'.'.join(parts)}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_is_read_as_code(path: Path):
    module = tree(path)
    found = {parts[0] for parts in imports(module)} & FORBIDDEN_MODULES
    calls = {
        node.func.id
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    defined = {n.name for n in ast.walk(module) if isinstance(n, ast.FunctionDef)}
    bound = {parts[-1] for parts in imports(module)}
    found |= (calls & FORBIDDEN_CALLS) - defined - bound
    assert not found, f"uses {', '.join(sorted(found))}"


def test_the_rooms_are_packages():
    assert all((ROOT / room / "__init__.py").is_file() for room in ROOMS)
    assert len(FILES) > len(ROOMS)
