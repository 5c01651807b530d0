"""Files stay small, packages stay empty, names of tests differ, and one file alone ends transactions."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("design", "networks", "predictors", "optimizer", "service", "migrations", "benchmarks", "examples", "tests")
LONGEST = 300
EXCEPTIONS: dict[str, str] = {}
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    name = str(path.relative_to(ROOT))
    if name in EXCEPTIONS:
        assert lines > LONGEST, f"{name} is short enough now: take it off the list"
    else:
        assert lines <= LONGEST, f"{name} has {lines} lines"


def test_packages_are_empty() -> None:
    full = [str(path.relative_to(ROOT)) for path in SOURCES if path.name == "__init__.py" and path.read_text().strip()]
    assert full == ["design/__init__.py"]


def test_files_of_tests_have_names_of_their_own() -> None:
    """Folders of tests are no packages: of two files with one name, pytest would read one and refuse the other."""
    names = Counter(path.name for path in SOURCES if path.name.startswith("test_"))
    assert [name for name, number in names.items() if number > 1] == []


def test_only_the_database_module_commits() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] == "service" and ".commit(" in path.read_text("utf-8")
    }
    assert found <= {"service/database.py"}


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if p.relative_to(ROOT).parts[0] not in ("tests", "examples")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_own_imports_inside_functions(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    hidden = [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOMS
    ]
    assert not hidden, f"{path.relative_to(ROOT)} imports inside functions at lines {hidden}"
