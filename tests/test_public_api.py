"""Promises about the package as a whole: light to import, documented, small files, a true __all__."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import samespace

SOURCE = Path(samespace.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = (
    "torch",
    "transformers",
    "lance",
    "lancedb",
    "pyarrow",
    "PIL",
    "onnxruntime",
    "openvino",
    "sentence_transformers",
)


def loaded(code: str) -> set[str]:
    """The heavy modules that a fresh Python has imported after running code."""
    probe = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_is_light() -> None:
    assert loaded("import samespace") == set()
    assert loaded("import torch") == {"torch"}, "the probe itself must be able to see one"


@pytest.mark.parametrize("module", ["samespace.serve.cli", "samespace.encode.load", "samespace.encode.catalog"])
def test_the_ways_in_are_light(module: str) -> None:
    assert loaded(f"import {module}") == set()


def test_help_is_light() -> None:
    code = "from samespace.serve.cli import main\ntry: main(['--help'])\nexcept SystemExit as e: assert not e.code"
    probe = f"import sys\n{code}\nprint('HEAVY', *[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "Usage" in run.stdout
    assert run.stdout.strip().splitlines()[-1] == "HEAVY"


def test_all_is_true() -> None:
    for name in samespace.__all__:
        assert getattr(samespace, name) is not None


def test_every_module_can_be_imported_and_says_what_it_is() -> None:
    for info in pkgutil.walk_packages([str(SOURCE)], "samespace."):
        module = importlib.import_module(info.name)
        assert module.__doc__, info.name
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{info.name}.{name}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_files_are_small(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 500


def test_no_forbidden_names() -> None:
    forbidden = {"utils", "common", "helpers", "base", "manager"}
    assert not [f for f in FILES if f.stem in forbidden]


def test_no_pickle_and_no_eval() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
                assert not {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"} & set(names), file
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, file
