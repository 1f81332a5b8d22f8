"""A source for strangers' files: source.yml, and one SQL file a contract table, as text a person goes on with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from recs_platform.contracts import columns as c
from recs_platform.stages.events.profiling.expressions import (
    Selected,
    field_sql,
    id_macro,
    select_column,
    select_instant,
)
from recs_platform.stages.events.profiling.grouping import Group
from recs_platform.stages.events.profiling.mapping import Found, clock_of, event_constant, shape_of
from recs_platform.stages.events.profiling.samples import FILE_KIND, Field
from recs_platform.stages.events.profiling.values import looks_like_instant
from recs_platform.stages.events.sources import SOURCE_TABLES, SOURCE_YML
from recs_platform.warehouse.clauses import quoted, text_literal


@dataclass(frozen=True)
class Fed:
    """A table that a group of files feeds, and its columns; `is_beside`: the file is about something else."""

    table: str
    columns: tuple[Selected, ...]
    is_beside: bool


@dataclass(frozen=True)
class Understood:
    """A group of files and what it feeds; `reason` says why it feeds nothing."""

    group: Group
    fed: tuple[Fed, ...]
    reason: str
    unused: tuple[str, ...]


def understand(group: Group, zone: str) -> Understood:
    """What a group of files feeds."""
    shape = shape_of(group.sample, group.stem)
    fed = tuple(
        _fed(group, table, found, zone, is_beside=place > 0)
        for place, (table, found) in enumerate(shape.tables.items())
    )
    used = {name for each in fed for selected in each.columns for name in selected.fields}
    unused = tuple(field.name for field in group.sample.fields if field.name not in used)
    return Understood(group, fed, shape.reason, unused)


def source_files(name: str, described: str, understood: Sequence[Understood]) -> dict[str, str]:
    """The files of the source's folder by name."""
    feeding = [each for each in understood if each.fed]
    tables = [table for table in SOURCE_TABLES if any(fed.table == table for each in feeding for fed in each.fed)]
    shared = {table for table in tables if sum(fed.table == table for each in feeding for fed in each.fed) > 1}
    files = {SOURCE_YML: _yml(name, described, understood, shared)}
    for table in tables:
        selects = [(each, fed) for each in feeding for fed in each.fed if fed.table == table]
        files[f"{table}.sql"] = _sql(table, selects, is_shared=table in shared)
    return files


def _fed(group: Group, table: str, found: Found, zone: str, *, is_beside: bool) -> Fed:
    columns = [
        _selected(group, table, column.name, found[column.name], zone)
        for column in SOURCE_TABLES[table].columns
        if column.name in found
    ]
    if table == "events" and c.EVENT_TYPE not in found:
        event_type, why = event_constant(group.stem, group.sample)
        constant = Selected(c.EVENT_TYPE, text_literal(event_type), (), f"no column of event types: {why}")
        columns.insert(2, constant)
    if table == "consents" and c.PURPOSE not in found:
        columns.insert(1, Selected(c.PURPOSE, "'personalization'", (), "no column of purposes"))
    if table == "items" and not is_beside:
        columns += _attributes(group, found)
    return Fed(table, tuple(columns), is_beside)


def _selected(group: Group, table: str, column: str, field: Field, zone: str) -> Selected:
    clock = clock_of(field, group.sample.fields) if column in (c.OCCURRED_AT, c.TAGGED_AT) else None
    return select_column(table, column, field, zone) if clock is None else select_instant(column, field, clock, zone)


def _attributes(group: Group, found: Found) -> list[Selected]:
    """Everything else that a catalogue says, as JSON."""
    used = {field.name for field in found.values()}
    rest = [field for field in group.sample.fields if field.name not in used and not field.is_json and field.values]
    if not rest:
        return []
    pairs = ", ".join(f"{text_literal(field.name)}, {field_sql(field)}" for field in rest)
    dates = [field.name for field in rest if looks_like_instant(field.values)]
    remarks = [f"kept as texts, for no column is theirs: {', '.join(field.name for field in rest)}"]
    remarks += [f"instants that are not taken for published_at: {', '.join(dates)}"] if dates else []
    return [Selected(c.ATTRIBUTES, f"json_object({pairs})", tuple(field.name for field in rest), "; ".join(remarks))]


def _yml(name: str, described: str, understood: Sequence[Understood], shared: set[str]) -> str:
    feeding = [each for each in understood if each.fed]
    everything: dict[str, str] = {}
    for each in feeding:
        if any(fed.table in shared for fed in each.fed):
            everything |= dict.fromkeys(each.group.sample.columns, "varchar")
    files = [_kind(each, shared, everything) for each in feeding]
    content: dict[str, object] = {"name": name, "description": described, "files": files}
    ignored = [each.group.match for each in understood if not each.fed]
    if ignored:
        content["ignore"] = ignored
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _kind(each: Understood, shared: set[str], everything: Mapping[str, str]) -> dict[str, object]:
    sample = each.group.sample
    is_shared = any(fed.table in shared for fed in each.fed)
    json_columns = {field.column for field in sample.fields if field.is_json}
    own = {name: "json" if name in json_columns else "varchar" for name in sample.columns}
    kind: dict[str, object] = {"match": each.group.match}
    if sample.format == "csv" and (sample.delimiter or ",") != ",":
        kind["delimiter"] = sample.delimiter
    kind["columns"] = {**everything, **own} if is_shared else own
    kind["required"] = _required(each)
    if is_shared:
        kind["constants"] = {FILE_KIND: each.group.match}
    kind["tables"] = [fed.table for fed in each.fed]
    return kind


def _required(each: Understood) -> list[str]:
    """Columns of the file without which no row of it could be ingested."""
    needed = [
        name
        for fed in each.fed
        for selected in fed.columns
        for column in SOURCE_TABLES[fed.table].columns
        for name in selected.fields
        if column.name == selected.column and column.required and not fed.is_beside
    ]
    columns = {field.name: field.column for field in each.group.sample.fields}
    return list(dict.fromkeys(columns[name] for name in needed if name in columns))


def _sql(table: str, selects: Sequence[tuple[Understood, Fed]], *, is_shared: bool) -> str:
    parts = [_select(each, fed, is_shared=is_shared) for each, fed in selects]
    remarks = "".join(f"-- {_printable(line)}\n" for line in _head(table, selects))
    return remarks + "\nunion all by name\n\n".join(parts)


def _head(table: str, selects: Sequence[tuple[Understood, Fed]]) -> list[str]:
    files = ", ".join(each.group.match for each, _ in selects)
    lines = [f"Rows of {table} from {files}. Guesses are marked; repair them here, then `recs source check`."]
    for each, fed in selects:
        if each.unused and fed is each.fed[0]:
            lines.append(f"{each.group.match}: not used: {', '.join(each.unused)}.")
    return lines


def _select(each: Understood, fed: Fed, *, is_shared: bool) -> str:
    columns = "".join(map(_line, fed.columns))
    clauses = [f"{quoted(FILE_KIND)} = {text_literal(each.group.match)}"] if is_shared else []
    last = ""
    if fed.is_beside:
        # What several records say of one item or user is what the last one says.
        name = SOURCE_TABLES[fed.table].grain[0]
        key = next(each.sql for each in fed.columns if each.column == name)
        clauses.append(f"{id_macro(name)}({key}) is not null")
        last = f"qualify row_number() over (partition by {key} order by line_number desc) = 1\n"
    where = f"where {' and '.join(clauses)}\n" if clauses else ""
    return f"select\n    line_number,\n{columns}from raw_records\n{where}{last}"


def _line(selected: Selected) -> str:
    remarks = "".join(f"    -- guess: {_printable(remark)}\n" for remark in selected.guess.split("; ") if remark)
    return f"{remarks}    {selected.sql} as {selected.column},\n"


def _printable(remark: str) -> str:
    """A remark for a comment, which a line end in the name of a column would leave."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in remark)
