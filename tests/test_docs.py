"""The docs are what the tests run: code blocks work, and every command, error, reader and entry point is described."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from samespace import errors, registry

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVERYTHING = "\n".join(page.read_text() for page in PAGES)
BLOCKS = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}-{i}")
    for page in PAGES
    for i, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
]


@pytest.mark.slow
@pytest.mark.parametrize("code", BLOCKS)
def test_python_in_the_docs_runs(code: str, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr


def test_the_readme_is_short_and_complete() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    for heading in ("## Two commands", "## The library", "## Where things are", "## What it is not"):
        assert heading in lines


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_named_in_the_readme_exist() -> None:
    for name in re.findall(r"(?:docs|examples)/[\w/-]+\.\w+", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists(), name


def test_every_scheme_is_in_the_docs() -> None:
    for scheme in registry.names("encoders"):
        assert f"`{scheme}:" in EVERYTHING or f"`{scheme}`" in EVERYTHING, scheme


def test_every_command_is_in_the_docs() -> None:
    from samespace.serve.cli import main

    for name in main.list_commands(None):  # type: ignore[arg-type]
        assert f"samespace {name}" in EVERYTHING, name


def test_every_failure_class_is_in_the_docs() -> None:
    for name in errors.FailureClass.__args__:
        assert f"`{name}`" in EVERYTHING, name
