"""Data tests as a yml declares them, in dbt's words: kind, arguments, and under `config` severity and where.

Their SQL is made in `sql_tests`; whether they name what there is, is checked in `declarations`.
"""

import re
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict

from recs_platform.contracts.spelling import did_you_mean

Row = dict[str, Any]
Severity = Literal["error", "warn"]
_PACKAGE = "dbt_utils."

# Arguments of each test: those it needs, and those it may have.
_ARGUMENTS: dict[str, tuple[set[str], set[str]]] = {
    "not_null": (set(), set()),
    "unique": (set(), set()),
    "accepted_values": ({"values"}, set()),
    "accepted_range": (set(), {"min_value", "max_value", "inclusive"}),
    "relationships": ({"to", "field"}, {"column_name"}),
    "expression_is_true": ({"expression"}, set()),
    "unique_combination_of_columns": ({"combination_of_columns"}, set()),
}
# What the version before wrote, and what is written instead.
_OLD_KINDS = {
    "range": "{accepted_range: {min_value: …, max_value: …}}",
    "expression": "{expression_is_true: {expression: …}} among the data_tests of the table",
}
_OLD_ARGUMENTS = {
    ("unique", "columns"): "{unique_combination_of_columns: {combination_of_columns: […]}}",
    ("relationships", "column"): "column_name",
}
_TABLE = re.compile(r"""ref\(\s*['"](\w+)['"]\s*\)|source\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\)""")


class DataTest(BaseModel):
    """One declared test, for example kind `accepted_range` with arguments `{"min_value": 0}`.

    `where` keeps the rows that are tested; a failing test of severity `warn` stops nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    arguments: Row = {}
    severity: Severity = "error"
    where: str | None = None


def read_data_test(entry: object) -> object:
    """`not_null`, or `{accepted_range: {min_value: 0, config: {severity: warn}}}`, as a DataTest.

    Arguments may stand under `arguments`, and kinds may be written with the package's name, as dbt has them.
    """
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(cast("Row", entry)) != 1:
        raise ValueError("a data test is a name, or one name with its arguments")
    written, given = next(iter(cast("Row", entry).items()))
    kind = str(written).removeprefix(_PACKAGE)
    if kind in _OLD_KINDS:
        raise ValueError(f"data test {kind!r} is written {_OLD_KINDS[kind]} now")
    if kind not in _ARGUMENTS:
        known = sorted(_ARGUMENTS)
        raise ValueError(f"unknown data test {kind!r}{did_you_mean(kind, known) or f'; known are {known}'}")
    arguments, config = _parts(kind, {} if given is None else given)
    _check_arguments(kind, arguments)
    return DataTest(kind=kind, arguments=arguments, **config)


def table_reference(text: str) -> tuple[str | None, str]:
    """Schema and table of `source('raw', 'events')`; of `ref('stg_events')` the table alone. Raises ValueError."""
    found = _TABLE.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no table; write ref('stg_events') or, of a contract table, source('raw', 'events')"
        )
    return found[2], found[1] or found[3]


def _parts(kind: str, given: object) -> tuple[Row, Row]:
    """Arguments, and what stands under config."""
    if not isinstance(given, dict):
        needed, _ = _ARGUMENTS[kind]
        written = ", ".join(f"{name}: …" for name in sorted(needed))
        raise ValueError(f"data test {kind!r} is written {{{kind}: {{{written}}}}}")  # noqa: TRY004  pydantic's
    arguments = dict(cast("Row", given))
    config: object = arguments.pop("config", {})
    arguments |= cast("Row", arguments.pop("arguments", {}))
    known = sorted(DataTest.model_fields.keys() - {"kind", "arguments"})
    if not isinstance(config, dict) or not cast("Row", config).keys() <= set(known):
        raise ValueError(f"config of data test {kind!r} takes {known}")
    return arguments, cast("Row", config)


def _check_arguments(kind: str, arguments: Row) -> None:
    for name in arguments:
        if (kind, name) in _OLD_ARGUMENTS:
            raise ValueError(f"data test {kind!r} takes {_OLD_ARGUMENTS[kind, name]} in the place of {name!r} now")
    needed, allowed = _ARGUMENTS[kind]
    if not needed <= arguments.keys() <= needed | allowed:
        raise ValueError(f"data test {kind!r} takes {sorted(needed)} and may take {sorted(allowed)}")
