"""Whether an as-of has to be built, and why: its inputs now, compared with those of the last build.

Commands, sensors and the schedule all use this decision. Runs are started in `defs.launch`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import EVENTS, INGESTIONS
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import is_sealed
from recs_platform.pipeline.build_records import (
    ASSETS,
    CODE,
    CONTENTS,
    FILE_KEY,
    MODELS,
    PREVIOUS,
    RELEASE,
    SETTINGS,
    Basis,
    files_of,
    last_build,
    partial_builds,
    read_basis,
)
from recs_platform.pipeline.data_versions import ROW_COUNT
from recs_platform.pipeline.event_span import default_as_of, last_event, midnight_after, require_events_before
from recs_platform.pipeline.named_in_settings import require_named
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events import IngestReport
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.stages.releases import RELEASES_ARTIFACT, is_withdrawn

NEW_ROWS, MODELS_CHANGED = "new rows", "SQL models changed"
CHANGE = "change"
_NAMED_MAX = 5


@dataclass(frozen=True)
class NewRows:
    """Rows of one file that the last build of the as-of did not have; below 0 where rows were removed since."""

    source_file: str
    contract_table: str
    rows: int

    def __str__(self) -> str:
        return f"{self.rows:+,} {self.contract_table} of {self.source_file}"


@dataclass(frozen=True)
class BuildPlan:
    """Whether `build` has to run for an as-of, and every reason; `release` is what the last build of it made.

    A withdrawn one is no reason to build the same again.

    `key` names what the build would be made from. `changed_models` includes models that only read changed ones.
    `built_since`: assets that runs of a part of the graph made after the last whole build.
    """

    as_of: datetime
    reasons: tuple[str, ...]
    release: str | None
    key: str
    new_rows: tuple[NewRows, ...] = ()
    changed_models: tuple[str, ...] = ()
    is_withdrawn: bool = False
    built_since: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether there is any reason to build."""
        return bool(self.reasons)

    @property
    def verdict(self) -> str:
        """The decision as one sentence."""
        if self.runs:
            return f"builds {as_of_key(self.as_of)}: {'; '.join(self.reasons)}"
        withdrawn = ", and was withdrawn" if self.is_withdrawn else ""
        return f"up to date: release {self.release} has the same inputs{withdrawn}"


def plan_build(platform: Platform, at: datetime, known: datetime, arriving: IngestReport | None = None) -> BuildPlan:
    """Decide whether `build` runs as of `at`, from what was ingested by `known` and what a dry run would ingest.

    It runs unless the last build of this as-of was made from exactly this, and its release and analytics.duckdb
    exist. Raises NotReady when no event lies before `at`, UsageError where the settings name what is not there.
    """
    require_named(platform)
    basis = read_basis(platform, at, known)
    if arriving is not None:
        basis = basis.with_files(_relevant_files(arriving, at))
    if EVENTS.table not in basis.files[c.CONTRACT_TABLE]:
        require_events_before(platform, at)
    last = last_build(platform, at)
    changes = _changed_rows(basis.files, None if last is None else files_of(platform, last))
    changes = changes.filter(~pl.col(c.CONTRACT_TABLE).is_in(_unchanged(basis, last, arriving)))
    fresh = _new_rows(platform, changes, arriving)
    since = tuple(sorted({name for each in partial_builds(platform, at) for name in each.parameters[ASSETS]}))
    if last is None:
        first = f"first {'whole ' if since else ''}build as of {as_of_key(at)}"
        return BuildPlan(at, (first,), None, basis.key, fresh, built_since=since)
    models = _different(last.parameters[MODELS], basis.models)
    new = [f"{NEW_ROWS}: {_listed([str(row) for row in fresh])}"] if fresh else []
    reasons = (*new, *_omissions(changes), *_reasons(platform, last, basis, models), *_absent(platform, last))
    release = last.inputs[RELEASE]
    return BuildPlan(at, reasons, release, basis.key, fresh, models, is_withdrawn(platform.home, release), since)


def planned_as_of(platform: Platform, arriving: IngestReport, now: datetime) -> datetime:
    """The default as-of once the files of the dry run are ingested. Raises NotReady when there is no event."""
    spans = arriving.event_spans.values()
    if not spans:
        return default_as_of(platform, now)
    last = [end for _, end in spans if end <= now]
    with suppress(NotReady):  # no event in the lake yet
        last += [end for end in (last_event(platform, now),) if end is not None]
    return midnight_after(max(last, default=now))


def _relevant_files(arriving: IngestReport, at: datetime) -> pl.DataFrame:
    """Files about to be ingested, as they will count; files whose events all come later are irrelevant before `at`."""
    spans = arriving.event_spans
    rows = [
        (file.contract_table, file.file_hash, file.rows_accepted)
        for file in arriving.files
        if file.rows_accepted
        and (file.contract_table != EVENTS.table or file.file_hash not in spans or spans[file.file_hash][0] < at)
    ]
    schema = {c.CONTRACT_TABLE: pl.String(), c.FILE_HASH: pl.String(), ROW_COUNT: pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _changed_rows(files: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """Files with other rows than the last build had, and what else is left out: FILE_KEY, change; by FILE_KEY."""
    counts = files.join(
        files.clear() if before is None else before, on=FILE_KEY, how="full", coalesce=True, suffix="_before"
    )
    now, then = (pl.col(name).fill_null(0).cast(pl.Int64) for name in (ROW_COUNT, f"{ROW_COUNT}_before"))
    return counts.select(*FILE_KEY, (now - then).alias(CHANGE)).filter(pl.col(CHANGE) != 0).sort(FILE_KEY)


def _unchanged(basis: Basis, last: Manifest | None, arriving: IngestReport | None) -> list[str]:
    """Tables of which a build would read just what the last one read, whatever rows came; none that rows arrive for."""
    before: Mapping[str, str] = {} if last is None else last.parameters.get(CONTENTS, {})
    expected = (
        set[str]() if arriving is None else {file.contract_table for file in arriving.files if file.rows_accepted}
    )
    return [
        table for table, content in basis.contents.items() if before.get(table) == content and table not in expected
    ]


def _new_rows(platform: Platform, changes: pl.DataFrame, arriving: IngestReport | None) -> tuple[NewRows, ...]:
    """The changes that files brought, in order of table and name."""
    of_files = changes.filter(pl.col(c.CONTRACT_TABLE).is_in(list(SOURCE_TABLES)))
    if of_files.is_empty():
        return ()
    names = _file_names(platform)
    if arriving is not None:
        names |= {(file.contract_table, file.file_hash): file.source_file for file in arriving.files}
    rows = [
        NewRows(str(names.get((table, file_hash), file_hash)), table, count)
        for table, file_hash, count in of_files.rows()
    ]
    return tuple(sorted(rows, key=lambda row: (row.contract_table, row.source_file)))


def _omissions(changes: pl.DataFrame) -> list[str]:
    """The changes in what is left out of the files: events of users who opted out, flagged events."""
    others = changes.filter(~pl.col(c.CONTRACT_TABLE).is_in(list(SOURCE_TABLES)))
    counts = others.group_by(c.CONTRACT_TABLE).agg(pl.sum(CHANGE)).sort(c.CONTRACT_TABLE)
    return [f"events left out as {omission}: {count:+,}" for omission, count in counts.rows()]


def _file_names(platform: Platform) -> dict[tuple[str, str], str]:
    if not platform.lake.exists(INGESTIONS.name):
        return {}
    ledger = pl.read_parquet(platform.lake.files(INGESTIONS.name), columns=[*FILE_KEY, c.SOURCE_FILE])
    return {(table, file_hash): name for table, file_hash, name in ledger.select(*FILE_KEY, c.SOURCE_FILE).iter_rows()}


def _reasons(platform: Platform, last: Manifest, basis: Basis, models: Sequence[str]) -> list[str]:
    """One sentence for each thing beside the data that differs."""
    sentences: list[str] = []
    if models:
        roots = [name for name in models if not _reads(platform, name, models)]
        sentences.append(f"{MODELS_CHANGED}: {_listed(roots or models)}")
    sentences += _changes("settings changed", _flat(last.parameters[SETTINGS]), _flat(basis.settings))
    sentences += _changes("code changed", {"recs_platform": last.parameters[CODE]}, {"recs_platform": basis.code})
    sentences += _changes("libraries changed", last.libraries, basis.libraries)
    previous = last.inputs.get(PREVIOUS)
    if basis.previous != previous:
        sentences.append(f"the release before it is {basis.previous or 'none'}, was {previous or 'none'}")
    return sentences


def _absent(platform: Platform, last: Manifest) -> list[str]:
    """Results of the last build that are missing now."""
    sentences: list[str] = []
    release = last.inputs[RELEASE]
    if not is_sealed(platform.home.artifacts, RELEASES_ARTIFACT, release) and not is_withdrawn(platform.home, release):
        sentences.append(f"its release {last.inputs[RELEASE]} is missing")
    if not platform.home.analytics.exists():
        sentences.append("analytics.duckdb is missing")
    return sentences


def _reads(platform: Platform, name: str, models: Sequence[str]) -> bool:
    return name in platform.models and any(upstream in models for upstream in platform.models.upstreams(name))


def _different(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys whose value differs, sorted."""
    return tuple(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))


def _changes(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A sentence naming each value before and now; nothing where they are the same."""
    keys = _different(before, now)
    return [f"{what}: {_listed([f'{key} {before.get(key)} → {now.get(key)}' for key in keys])}"] if keys else []


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted name.

    >>> _flat({"k": 10, "publish": {"as_ofs_max": 30}})
    {'k': 10, 'publish.as_ofs_max': 30}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more:,} more" if more > 0 else "")
