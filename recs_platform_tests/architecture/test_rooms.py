"""Rules of the house that no linter knows: what each module may read and how it opens."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "recs_platform"
NAMES = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
KNOW_DAGSTER = ("defs/", "definitions.py")
READ_THE_ENVIRONMENT = ("settings.py", "cli/__init__.py", "cli/house.py", "cli/ui.py")
READ_THE_CLOCK = ("defs/", "pipeline/", "serving/", "cli/", "settings.py")


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text(), filename=name)


def _offenders(breaks: Callable[[str], object], but: tuple[str, ...] = ()) -> list[str]:
    """Modules that break a rule, less those that it leaves out, by name or by folder."""
    assert NAMES
    return [name for name in NAMES if not name.startswith(but) and breaks(name)]


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run; what stands under `if TYPE_CHECKING` does not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def _imported(name: str) -> set[str]:
    """Packages whose modules are imported when the module runs."""
    packages: set[str] = set()
    for node in _executed(_tree(name)):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            packages.add(node.module.split(".")[0])
    return packages


def _knows_dagster(name: str) -> bool:
    return any(package.startswith("dagster") for package in _imported(name))


def _attributes(name: str) -> set[tuple[str, str]]:
    return {
        (node.value.id, node.attr)
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_every_module_opens_by_saying_what_belongs_there() -> None:
    assert _offenders(lambda name: len((ast.get_docstring(_tree(name)) or "").split()) <= 4) == []


def test_only_defs_knows_dagster() -> None:
    assert _offenders(_knows_dagster, but=KNOW_DAGSTER) == []


def test_only_settings_and_the_command_line_touch_the_environment() -> None:
    environment = {("os", "environ"), ("os", "getenv"), ("os", "putenv")}
    assert _offenders(lambda name: _attributes(name) & environment, but=READ_THE_ENVIRONMENT) == []


def test_below_defs_nobody_reads_a_clock() -> None:
    clocks = {(owner, what) for owner in ("datetime", "date") for what in ("now", "utcnow", "today")}
    clocks.add(("time", "time"))
    assert _offenders(lambda name: _attributes(name) & clocks, but=READ_THE_CLOCK) == []


def test_every_file_of_defs_imports_dagster() -> None:
    """What needs no Dagster composes stages, and is at home in the pipeline."""
    files = [name for name in NAMES if name.startswith("defs/") and "__init__" not in name]
    assert files
    assert [name for name in files if not _knows_dagster(name)] == []


def test_defs_keeps_its_annotations_as_types() -> None:
    """Postponed annotations break Dagster's config parameters."""
    for path in (PACKAGE / "defs").rglob("*.py"):
        assert "from __future__ import annotations" not in path.read_text(), path.name
