"""Ingestion of ten million contract events, clean and with bad rows, and of nothing new; beside DuckDB's plain copy.

Files are made, and the floors measured, in other processes: peak memory is that of the ingestion alone.
"""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from benchmarks.promises import BAD_JSONL, BAD_PARQUET, CLEAN_JSONL, CLEAN_PARQUET, NOTHING_NEW
from benchmarks.timing import Row, apart, timed
from recs_platform.cli.house import open_platform
from recs_platform.stages import events

Suffix = Literal["parquet", "jsonl"]

EVENTS, FILES, EVENTS_A_FILE = 10_000_000, 1_000, 200
BAD_OF_1000 = 9
# The columns a site's tracker fills; a tenth of a second apart, half a million people, fifty thousand items.
SELECT = """
    select
        'e' || lpad(i::varchar, 9, '0') as event_id, 'u' || (hash(i) % 500000) as user_id,
        'i' || (hash(i * 7) % 50000) as item_id,
        {event_type} as event_type,
        timestamptz '2024-01-01' + to_microseconds((i * 100000 + (hash(i) % 100000)::bigint)::bigint) as occurred_at,
        's' || (hash(i // 7) % 2000000) as session_id,
        case when hash(i * 5) % 3 = 0 then (hash(i * 11) % 30000) / 100.0 end as dwell_seconds,
        case when hash(i * 5) % 3 = 0 then (hash(i * 13) % 101) / 100.0 end as scroll_fraction,
        (1 + hash(i * 17) % 20)::integer as position, 'r' || (i // 20) as request_id,
        (['mobile', 'desktop', 'tablet'])[1 + (hash(i * 19) % 3)::bigint] as device,
        (['ios', 'android', 'windows'])[1 + (hash(i * 23) % 3)::bigint] as os,
        (['US', 'BR', 'DE', 'DK'])[1 + (hash(i * 29) % 4)::bigint] as country,
        hash(i * 31) % 1000 as fate
    from range({first}, {last}) as numbers(i)
"""
KINDS = "(['impression', 'view', 'click', 'like', 'purchase'])[1 + (hash(i * 3) % 5)::bigint]"


def clean_parquet(folder: Path, scale: float) -> list[Row]:
    return [_ingest(folder, CLEAN_PARQUET, "parquet", scale, bad=0)]


def bad_parquet(folder: Path, scale: float) -> list[Row]:
    return [_ingest(folder, BAD_PARQUET, "parquet", scale, bad=BAD_OF_1000)]


def clean_jsonl(folder: Path, scale: float) -> list[Row]:
    return [_ingest(folder, CLEAN_JSONL, "jsonl", scale, bad=0)]


def bad_jsonl(folder: Path, scale: float) -> list[Row]:
    return [_ingest(folder, BAD_JSONL, "jsonl", scale, bad=BAD_OF_1000)]


def nothing_new(_folder: Path, scale: float) -> list[Row]:
    """What a sensor costs that finds nothing: a fresh process looks at many files, all taken in."""
    platform, files = open_platform(), max(20, int(FILES * scale))
    landing = platform.home.landing / "contract"
    apart(_write_small, landing, files)
    with platform.connection() as con:
        _take_in(con)
    code = (
        "from recs_platform.cli.house import open_platform\n"
        "from recs_platform.stages.events import pending\n"
        "p = open_platform()\n"
        "print(len(pending(p.home, p.sources, p.lake)))"
    )
    seconds, said = timed(lambda: _ask(code))
    if said.stdout.strip() != "0":
        sys.exit(f"something is pending after everything was taken in: {said.stdout} {said.stderr}")
    bare, _ = timed(lambda: subprocess.run([sys.executable, "-c", "import duckdb, deltalake"], check=True))
    looking, _ = timed(lambda: [path.stat() for path in landing.rglob("*")])
    return [Row(NOTHING_NEW, seconds, files, "files", "importing duckdb and deltalake, stat of each", bare + looking)]


def _ask(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def _ingest(folder: Path, what: str, suffix: Suffix, scale: float, *, bad: int) -> Row:
    platform, count = open_platform(), int(EVENTS * scale)
    file = platform.home.landing / "contract" / f"events.{suffix}"
    apart(write_events, file, count, bad)
    with platform.connection() as con:
        seconds, report = timed(lambda: _take_in(con))
    total = report.totals["events"]
    if total.raw_records != count or total.rows_accepted != count - total.rows_quarantined or total.rows_duplicate:
        sys.exit(f"{what}: {count} events were landed, the ledger says {total}")
    if (total.rows_quarantined > 0) != (bad > 0):
        sys.exit(f"{what}: {total.rows_quarantined} rows were refused, {bad} of 1000 are bad")
    floor = apart(copy_plain, file, folder / "plain.parquet")
    shutil.rmtree(platform.home.root)
    return Row(what, seconds, count, "events", "DuckDB COPY to Parquet, typed, nothing checked", floor)


def _take_in(con: duckdb.DuckDBPyConnection) -> events.IngestReport:
    platform = open_platform()
    return events.ingest(
        platform.home, platform.lake, platform.sources, con, now=datetime.now(UTC), progress=lambda _: None
    )


def write_events(file: Path, count: int, bad: int, first: int = 0) -> None:
    """Write `count` events; of a thousand `bad` are so: in JSONL every other one is no JSON, the rest is no kind."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unkind = bad if file.suffix == ".parquet" else bad / 2
    wrong = f"case when hash(i * 31) % 1000 < {unkind} then 'glance' else {KINDS} end"
    rows = f"({SELECT.format(event_type=wrong, first=first, last=first + count)})"
    fields = f"select * exclude (fate) from {rows}"
    with _plain() as con:
        if file.suffix == ".parquet":
            con.execute(f"copy ({fields}) to '{file}' (format parquet)")
        elif not bad:
            con.execute(f"copy ({fields}) to '{file}' (format json)")
        else:
            line = "to_json(struct_pack(* columns(* exclude (fate))))::varchar"
            cut = f"case when fate >= {bad / 2} and fate < {bad} then left({line}, 60) else {line} end"
            con.execute(
                f"copy (select {cut} from {rows}) to '{file}' (format csv, header false, quote '', escape '', "
                "delimiter e'\\x01')"
            )


def copy_plain(file: Path, target: Path) -> float:
    """Seconds of the least that any ingestion does: read with known types, write as Parquet."""
    types = "{" + ", ".join(f"'{name}': '{dtype}'" for name, dtype in _types().items()) + "}"
    source = (
        f"read_parquet('{file}')"
        if file.suffix == ".parquet"
        else f"read_json('{file}', format = 'newline_delimited', columns = {types}, ignore_errors = true)"
    )
    with _plain() as con:
        seconds, _ = timed(lambda: con.execute(f"copy (select * from {source}) to '{target}' (format parquet)"))
    target.unlink()
    return seconds


def _types() -> dict[str, str]:
    with _plain() as con:
        query = SELECT.format(event_type=KINDS, first=0, last=1)
        described = con.execute(f"describe select * exclude (fate) from ({query})").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


def _write_small(landing: Path, files: int) -> None:
    for number in range(files):
        write_events(landing / f"{number:04}" / "events.jsonl", EVENTS_A_FILE, 0, first=number * EVENTS_A_FILE)


def _plain() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": os.cpu_count() or 1})
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = false")
    return con
