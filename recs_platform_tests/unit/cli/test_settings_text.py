"""The commented recs.toml reads to exactly the defaults, and the docs say of each setting what its field says."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from recs_platform.cli.settings_text import settings_table, settings_toml
from recs_platform.contracts.shapes import Shapes
from recs_platform.settings import Settings, read_settings, setting_fields

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
TABLE = re.compile(r"(<!-- settings: begin [^\n]*-->\n).*?(<!-- settings: end -->)", re.DOTALL)
TOP = Settings.model_fields
LINES = settings_toml().splitlines()
DEFAULTS = [line.removeprefix("# ") for line in LINES if re.match(r"# [\w.]+ = ", line)]
EXAMPLES = [line.removeprefix("# unset: ") for line in LINES if line.startswith("# unset: ")]


def without_unset(values: dict[str, Any]) -> dict[str, Any]:
    """Nested values as TOML can say them: what is not set is not there, nor a group of nothing else."""
    kept = {
        name: without_unset(value) or None if value and isinstance(value, dict) else value
        for name, value in values.items()
    }
    return {name: value for name, value in kept.items() if value is not None and name not in {"home", "threads"}}


def test_the_commented_lines_read_to_exactly_the_defaults() -> None:
    defaults = Settings.model_construct().model_dump(mode="json")
    assert tomllib.loads("\n".join(DEFAULTS)) == without_unset(defaults)


def test_every_setting_has_a_line_and_only_settings_have() -> None:
    named = [line.partition(" = ")[0] for line in DEFAULTS + EXAMPLES]
    assert sorted(["home", *named]) == sorted(name for name, _ in setting_fields())
    unset = {"threads", *(name for name, field in setting_fields() if field.default is None)}
    assert {line.partition(" = ")[0] for line in EXAMPLES} == unset


def test_each_line_stands_alone_and_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    for line in DEFAULTS + EXAMPLES:
        (tmp_path / "recs.toml").write_text(f"{settings_toml()}{line}\n")
        name, value = line.partition(" = ")[0], tomllib.loads(line)
        found: Any = read_settings().model_dump(mode="json")
        for part in name.split("."):
            found, value = found[part], value[part]
        assert found == value, line


def test_every_example_is_a_value_of_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    shown = [line for line in LINES if ", such as {" in line]
    assert shown
    for line in shown:
        name = line.removeprefix("# ").partition(" = ")[0]
        example = line.partition(", such as ")[2].rstrip()
        (tmp_path / "recs.toml").write_text(f"{name} = {example}\n")
        assert read_settings() != Settings(home=tmp_path / "none"), line


def test_the_table_of_the_docs_is_that_of_the_fields() -> None:
    text, table = OPERATIONS.read_text(), settings_table()
    due = TABLE.sub(lambda found: found[1] + table + found[2], text)
    if os.environ.get("RECS_RENEW_GOLDEN"):
        OPERATIONS.write_text(due)
        text = due
    assert text == due, f"docs/operations.md differs from the settings; paste this between its marks:\n{table}"


def test_the_docs_name_the_settings_that_are_no_reason_to_build() -> None:
    sentence = re.search(r"^(`threads`.*?) are\nnot reasons", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)
    assert sentence is not None
    marks = {name: next(mark for mark in field.metadata if isinstance(mark, Shapes)) for name, field in TOP.items()}
    none = {name for name, mark in marks.items() if mark.first == "nothing"}
    assert set(re.findall(r"`(\w+)`", sentence[1])) == none - {"home"}
