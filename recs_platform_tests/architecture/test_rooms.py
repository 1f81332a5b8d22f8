"""Rules of the house that no linter knows: what each module may read and how it opens."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "recs_platform"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in MODULES]
KNOW_DAGSTER = ("defs/", "definitions.py")
READ_THE_ENVIRONMENT = {"settings.py", "cli/__init__.py", "cli/house.py", "cli/ui.py"}
READ_THE_CLOCK = ("defs/", "pipeline/", "cli/", "settings.py")
CLOCKS = {"now", "utcnow", "today"}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run; what stands under `if TYPE_CHECKING` does not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def _attributes(tree: ast.Module) -> set[tuple[str, str]]:
    return {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_by_saying_what_belongs_there(name: str) -> None:
    said = ast.get_docstring(_tree(PACKAGE / name))
    assert said
    assert len(said.split()) > 4


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(KNOW_DAGSTER)])
def test_only_defs_knows_dagster(name: str) -> None:
    assert not {module for module in _imported(_tree(PACKAGE / name)) if module.startswith("dagster")}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in READ_THE_ENVIRONMENT])
def test_only_settings_and_the_command_line_touch_the_environment(name: str) -> None:
    assert not _attributes(_tree(PACKAGE / name)) & {("os", "environ"), ("os", "getenv"), ("os", "putenv")}


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(READ_THE_CLOCK)])
def test_below_defs_nobody_reads_a_clock(name: str) -> None:
    read = _attributes(_tree(PACKAGE / name))
    assert not {(owner, what) for owner, what in read if owner in {"datetime", "date"} and what in CLOCKS}
    assert ("time", "time") not in read


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("defs/") and "__init__" not in name])
def test_every_file_of_defs_imports_dagster(name: str) -> None:
    """What needs no Dagster composes stages, and is at home in the pipeline."""
    assert any(module.startswith("dagster") for module in _imported(_tree(PACKAGE / name)))


def test_defs_keeps_its_annotations_as_types() -> None:
    """Postponed annotations break Dagster's config parameters."""
    for path in (PACKAGE / "defs").rglob("*.py"):
        assert "from __future__ import annotations" not in path.read_text(), path.name
