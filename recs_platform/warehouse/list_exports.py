"""Lists in force as Parquet and JSON lines, for a cache that serves them; brought up to date with each publish.

The analysts' file is built in `publish`, copies of it for roles in `role_files`; what is put back is in `kept_exports`.
"""
# ruff: noqa: S608  names come from contracts

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.surface_settings import DEFAULT_SURFACE
from recs_platform.contracts.tables import CURRENT, LIST_EXPIRY, RELEASES, SURFACE_LISTS
from recs_platform.lake.disk import flush
from recs_platform.lake.locks import exclusive
from recs_platform.lake.processes import is_abandoned, process_name
from recs_platform.warehouse.clauses import text_literal
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.encryption import attach_read_only, parquet_options
from recs_platform.warehouse.kept_exports import KeptExports, drop_all_kept
from recs_platform.warehouse.published_sources import TableSource, read_sources

if TYPE_CHECKING:
    import duckdb
    import polars as pl

LISTS_STEM = "lists"
# DuckDB's options of each format, by the suffix of its file.
EXPORT_FORMATS = {"parquet": "format parquet, compression zstd", "jsonl": "format json, array false"}
_MARK = ".tmp-"
_LOCK = "exports.lock"
_OPTED_OUT = "opted_out_by_now"


def write_list_exports(
    analytics: Path,
    folder: Path,
    formats: Collection[str],
    opted_out: "pl.DataFrame",
    options: DatabaseOptions,
    *,
    impersonal: Collection[str],
    keep_older: bool = True,
) -> dict[str, int]:
    """Write `lists.<format>` into the folder and remove those of other formats; returns lines by format.

    A line is a user and surface (`default` where it is none of the settings'): `user_id`, `surface`, `release_id`,
    `as_of`, `expires_at` (null in releases that say nothing), and `items` in order of rank, each with `rank`,
    `item_id`, `score`, `sources`, `reason`. An empty list has none. Nor has a list of a user in `opted_out` (user_id)
    with an item of any source beside `impersonal` ones: the release is older than what they said.
    Readers of a file that is replaced keep it. With the published file's key Parquet is encrypted too.

    An export of the same rows that was in place lately is put back and not written again; without `keep_older` (after
    rows were deleted) those that are kept for that go. One at a time: of two publishes, the one that reads the newer
    file writes last.
    """
    with exclusive(analytics.absolute().parent / _LOCK):
        _remove_others(folder, formats)
        if not keep_older or not formats:
            drop_all_kept(folder)
        if not formats:
            return {}
        folder.mkdir(parents=True, exist_ok=True)
        con, cipher = options.connect_to_write(), options.cipher
        try:
            attach_read_only(con, analytics, "published", cipher)
            con.execute("use published")
            con.register(_OPTED_OUT, opted_out.select(c.USER_ID))
            secret = "" if cipher is None else cipher.key
            kept = _kept(con, folder, read_sources(analytics), opted_out, secret)
            rows, encrypted = _lists(impersonal), parquet_options(con, cipher)
            found = {
                suffix: _bring(con, folder / f"{LISTS_STEM}.{suffix}", rows, form + encrypted, kept)
                for suffix, form in EXPORT_FORMATS.items()
                if suffix in formats
            }
            if kept is None:
                drop_all_kept(folder)
            else:
                kept.drop_older(formats)
            return found
        finally:
            con.close()


def _remove_others(folder: Path, formats: Collection[str]) -> None:
    """Files of other formats, and what killed processes left."""
    for file in folder.glob(f"{LISTS_STEM}.*"):
        suffix, _, writer = file.name.removeprefix(f"{LISTS_STEM}.").partition(_MARK)
        if suffix not in formats or (writer and is_abandoned(writer)):
            file.unlink(missing_ok=True)


def _kept(
    con: "duckdb.DuckDBPyConnection",
    folder: Path,
    sources: Mapping[str, TableSource] | None,
    opted_out: "pl.DataFrame",
    secret: str,
) -> KeptExports | None:
    """None where it is not known what the published file was made from, and while no release is in force."""
    in_force = con.execute(f"select {c.RELEASE_ID} from {RELEASES.name} where {c.IS_CURRENT}").fetchone()
    if sources is None or in_force is None:
        return None
    return KeptExports(folder, sources, str(in_force[0]), opted_out[c.USER_ID].to_list(), secret)


def _bring(con: "duckdb.DuckDBPyConnection", target: Path, rows: str, options: str, kept: KeptExports | None) -> int:
    """One file, whole or not at all; returns its lines."""
    import duckdb

    made_by = content_key({"rows": rows, "options": options, "version": duckdb.__version__})
    lines = None if kept is None else kept.put_back(target, made_by)
    if lines is None:
        lines = _write(con, target, rows, options)
        if kept is not None:
            kept.keep(target, made_by, lines)
    return lines


def _write(con: "duckdb.DuckDBPyConnection", target: Path, rows: str, options: str) -> int:
    aside = target.with_name(f"{target.name}{_MARK}{process_name()}")
    written = con.execute(f"copy ({rows}) to {text_literal(str(aside))} ({options})").fetchall()
    flush((aside,))
    aside.replace(target)
    return int(written[0][0])


def _lists(impersonal: Collection[str]) -> str:
    """A row a user and surface. `list_sort` goes by the first field, the rank, in half the time of `order by`."""
    fields = (c.RANK, c.ITEM_ID, c.SCORE, c.SOURCES, c.REASON)
    names = ", ".join((c.USER_ID, c.AS_OF, c.RELEASE_ID, *fields))
    in_force = f"(select {c.RELEASE_ID} from {RELEASES.name} where {c.IS_CURRENT})"
    allowed = ", ".join(map(text_literal, impersonal))
    item = f"struct_pack({', '.join(f'{name} := {name}' for name in fields)})"
    return (
        f"select {c.USER_ID}, {c.SURFACE}, {c.RELEASE_ID}, {c.AS_OF}, {c.EXPIRES_AT}, list_sort(items) as items from ("
        f"select {c.USER_ID}, {c.SURFACE}, any_value({c.RELEASE_ID}) as {c.RELEASE_ID}, "
        f"any_value({c.AS_OF}) as {c.AS_OF}, list({item}) as items from ("
        f"select {names}, {text_literal(DEFAULT_SURFACE)} as {c.SURFACE} from {CURRENT.name} union all by name "
        f"select {names}, {c.SURFACE} from {SURFACE_LISTS.name} where {c.RELEASE_ID} in {in_force}) "
        f"group by {c.USER_ID}, {c.SURFACE} having {c.USER_ID} not in (select {c.USER_ID} from {_OPTED_OUT}) "
        f"or bool_and(list_has_all([{allowed}], {c.SOURCES}))) "
        f"left join {LIST_EXPIRY.name} using ({c.USER_ID}, {c.RELEASE_ID}, {c.AS_OF}) "
        f"order by {c.USER_ID}, {c.SURFACE}"
    )
