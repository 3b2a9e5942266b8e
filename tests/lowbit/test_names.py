import subprocess
import sys
import tomllib
from pathlib import Path

import lowbit

PUBLIC = [
    "Bound",
    "CheckFailed",
    "CheckReport",
    "Exported",
    "Kernel",
    "LayerReport",
    "Layout",
    "Packed",
    "Precise",
    "Program",
    "Schedule",
    "Target",
    "Tuned",
    "check",
    "compare_layers",
    "compile",
    "conv2d",
    "dense",
    "export",
    "import_model",
    "load",
    "parse",
    "precision",
    "reference",
    "targets",
    "tune",
]


def test_public_names() -> None:
    assert sorted(lowbit.__all__) == sorted(PUBLIC)
    assert all(callable(getattr(lowbit, name)) for name in PUBLIC)
    assert dir(lowbit) == sorted(PUBLIC)


def test_a_name_stays_what_it_is_after_every_module_is_loaded() -> None:
    import pkgutil
    from importlib import import_module

    for module in pkgutil.walk_packages(lowbit.__path__, "lowbit."):
        try:
            import_module(module.name)
        except ImportError as error:
            assert "needs the extra" in str(error)
    assert all(callable(getattr(lowbit, name)) for name in PUBLIC)


def test_help_loads_neither_compiler_nor_arrays() -> None:
    code = (
        "import sys; from lowbit.command import main; main(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('xdsl', 'numpy', 'llvmlite', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_editable_install_is_a_path() -> None:
    """With finders instead, a clone called `lowbit` hides the package from who stands beside it."""
    settings = tomllib.loads((Path(lowbit.__file__).parents[1] / "pyproject.toml").read_text())
    assert settings["tool"]["setuptools"]["package-dir"] == {"": "."}
    assert "version" in settings["project"]["dynamic"]
