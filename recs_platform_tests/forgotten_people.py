"""A home with one person in every kind of file, and a search for ids that decodes all of them."""
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Collection
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from recs_platform.contracts.home import RELEASE_PAGE
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import Built, land_contract, take_in

PERSON, DEVICE, SHARED, OTHER = "u3e00-05", "device-of-05", "family-tablet", "u3e00-06"
EVENTS_FILE, GZIP_FILE = "extra/events.jsonl", "packed/events.csv.gz"


def click(built: Built, number: int, user: str, days_before: float) -> dict[str, Any]:
    at = built.as_of - timedelta(days=days_before)
    return {
        "event_id": f"extra-{number}",
        "user_id": user,
        "item_id": "i3e00-01",
        "event_type": "click",
        "occurred_at": at.isoformat(),
    }


def put_everywhere(built: Built, platform: Platform) -> None:
    """More of the person than the built home has: linked ids, packed and rejected records, texts, Dagster's files.

    A tablet was the person's for two days, then the other user's.
    """
    home, contract = platform.home, platform.home.landing / "contract"
    rejected = {**click(built, 0, PERSON, 3), "event_type": "teleport"}
    rows = [rejected, *(click(built, n, user, 2) for n, user in enumerate((PERSON, DEVICE, OTHER), start=1))]
    land_contract(platform, EVENTS_FILE, [*rows, click(built, 4, SHARED, 5), click(built, 5, SHARED, 1)])
    with (contract / EVENTS_FILE).open("a") as file:
        file.write(f'{{"user_id": "{PERSON}", "half\n')
    packed = [click(built, n, user, 2) for n, user in enumerate((OTHER, DEVICE, OTHER), start=6)]
    (contract / GZIP_FILE).parent.mkdir()
    with gzip.open(contract / GZIP_FILE, "wt") as text:
        text.write(",".join(packed[0]) + "\n" + "".join(",".join(row.values()) + "\n" for row in packed))
    links = ((DEVICE, PERSON, 20), (SHARED, PERSON, 6), (SHARED, OTHER, 4))
    identities = [
        {"anonymous_id": one, "user_id": user, "valid_from": (built.as_of - timedelta(days=days)).isoformat()}
        for one, user, days in links
    ]
    land_contract(platform, "extra/identities.jsonl", identities)
    take_in(platform)
    with (home.logs / "runs.jsonl").open("a") as log:
        log.write(json.dumps({"message": f"no list for {PERSON}"}) + "\n")
    home.user_pages.mkdir()
    for name, text in (("theirs", PERSON), ("others", OTHER)):
        (home.reports / name).mkdir()
        (home.reports / name / RELEASE_PAGE).write_text(f"<h2>User {text}</h2><td>a film</td>")
    (home.user_pages / "1f.html").write_text(f"<h1>User {PERSON}</h1>")
    (home.reports / "page.html").write_text(f"<td>{PERSON}</td><td>{OTHER}</td>")
    with closing(sqlite3.connect(home.dagster / "previews.db")) as con:
        con.execute("create table events (event text)")
        con.execute("insert into events values (?)", [json.dumps({"md_str": f"| {PERSON} | {OTHER} |"})])
        con.commit()


def holders(root: Path, names: Collection[str]) -> list[str]:
    """Files under a folder that hold one of the names, in their bytes or in what these mean."""
    wanted = [name.encode() for name in names]
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [str(file.relative_to(root)) for file in files if any(name in _content(file) for name in wanted)]


def _content(file: Path) -> bytes:
    raw = file.read_bytes()
    match file.suffix:
        case ".parquet":
            return raw + pl.read_parquet(file, hive_partitioning=False).write_json().encode()
        case ".gz":
            return raw + gzip.decompress(raw)
        case ".zip":
            with zipfile.ZipFile(file) as archive:
                return raw + b"".join(map(archive.read, archive.namelist()))
        case ".duckdb":
            return raw + _rows_of(file)
        case _:
            return raw


def _rows_of(file: Path) -> bytes:
    """Every row of a DuckDB file as text; its pages are compressed."""
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        rows = [con.execute(f'select x::varchar from "{schema}"."{name}" as x').fetchall() for schema, name in tables]
    return "".join(str(row[0]) for table in rows for row in table).encode()
