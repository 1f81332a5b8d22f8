"""One person out of texts: logs, pages of reports, output of runs, and Dagster's record of runs.

Only ids that stand for nothing else are looked for: a short or numeric one would be found everywhere.
"""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from recs_platform.contracts.errors import Busy
from recs_platform.contracts.home import RELEASE_PAGE, Home
from recs_platform.lake.disk import replace_bytes
from recs_platform.lake.processes import is_abandoned
from recs_platform.lake.spooled import SUFFIX, counted_bytes, plain_path
from recs_platform.stages.events.people import Person
from recs_platform.warehouse.clauses import quoted

Note = Callable[[str, int], None]
_TEXTS = (".html", ".json", ".jsonl", ".log", ".out", ".err", ".txt", ".yaml", ".csv", "")
_SECONDS_TO_WAIT = 30
_KEPT_SCRATCH = "landing_hashes.json"


def erase_texts(home: Home, person: Person, note: Note, *, dry_run: bool) -> None:
    """Replace the person's ids in logs, reports and Dagster's files; drop scratch files of the home.

    Raises Busy while another process writes to Dagster's storage.
    """
    words = person.words()
    _drop_user_pages(home, note, dry_run=dry_run)
    if words is not None:
        for folder in (home.logs, home.reports, home.dagster):
            for file in _texts(folder, besides=home.user_pages):
                _replace_in(home, file, words, note, dry_run=dry_run)
        _cut_spool(home, words, note, dry_run=dry_run)
        for file in sorted(home.dagster.rglob("*.db")):
            _scrub_database(home, file, words, note, dry_run=dry_run)
    if not dry_run:
        _drop_scratch(home)


def _drop_user_pages(home: Home, note: Note, *, dry_run: bool) -> None:
    """Pages that show what users consumed go, all of them: an id may be too short to be looked for."""
    pages = list(home.user_pages.glob("*"))
    if pages:
        note(_place(home, home.user_pages), len(pages))
        if not dry_run:
            shutil.rmtree(home.user_pages)
    for page in sorted(home.reports.glob(f"*/{RELEASE_PAGE}")):
        note(_place(home, page), 1)
        if not dry_run:
            page.unlink()


def _texts(folder: Path, *, besides: Path) -> list[Path]:
    files = (each for each in folder.rglob("*") if each.is_file() and each.suffix in _TEXTS)
    return sorted(each for each in files if each.parent != besides and each.name != RELEASE_PAGE)


def _replacement(match: re.Match[str]) -> str:
    # Where a number stood JSON must find one.
    return "0" if match[0].isdecimal() else "(forgotten)"


def _replace_in(home: Home, file: Path, words: re.Pattern[str], note: Note, *, dry_run: bool) -> None:
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    changed, count = words.subn(_replacement, text)
    if count:
        note(_place(home, file), count)
        if not dry_run:
            replace_bytes(file, changed.encode("utf-8", "surrogateescape"))


def _cut_spool(home: Home, words: re.Pattern[str], note: Note, *, dry_run: bool) -> None:
    """Drop events that a dead server took in; what a living one holds is rejected once it is ingested."""
    for file in home.spool.glob(f"*/*{SUFFIX}"):
        # Without what does not count: by the name alone nobody could tell after lines were dropped.
        lines = file.read_bytes()[: counted_bytes(file)].splitlines(keepends=True)
        kept = [line for line in lines if not words.search(line.decode("utf-8", "replace"))]
        if len(kept) < len(lines) and is_abandoned(file.parent.name):
            note(_place(home, file), len(lines) - len(kept))
            if not dry_run:
                plain = plain_path(file)
                replace_bytes(plain, b"".join(kept))
                if plain != file:
                    file.unlink()


def _scrub_database(home: Home, file: Path, words: re.Pattern[str], note: Note, *, dry_run: bool) -> None:
    """Replace the ids in every text of a SQLite file, then drop the pages that held them."""

    def names_them(text: str) -> bool:
        return words.search(text) is not None

    try:
        with closing(sqlite3.connect(file, timeout=_SECONDS_TO_WAIT, isolation_level=None)) as con:
            con.create_function("names_them", 1, names_them, deterministic=True)
            count = sum(_scrub_table(con, table, words, dry_run=dry_run) for table in _tables(con))
            note(_place(home, file), count)
            if not dry_run:
                con.execute("vacuum")
                con.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        raise Busy(f"{file} is in use ({error}): stop `recs ui` and other runs, then forget again") from error


def _tables(con: sqlite3.Connection) -> list[str]:
    rows = con.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'").fetchall()
    return [str(name) for (name,) in rows]


def _scrub_table(con: sqlite3.Connection, table: str, words: re.Pattern[str], *, dry_run: bool) -> int:
    count = 0
    for column in [str(row[1]) for row in con.execute(f"pragma table_info({quoted(table)})").fetchall()]:
        found = con.execute(
            f"select rowid, {quoted(column)} from {quoted(table)} "  # noqa: S608 - names of the file, quoted
            f"where typeof({quoted(column)}) = 'text' and names_them({quoted(column)})"
        ).fetchall()
        for rowid, text in found:
            changed, mentions = words.subn(_replacement, text)
            count += mentions
            if mentions and not dry_run:
                con.execute(
                    f"update {quoted(table)} set {quoted(column)} = ? where rowid = ?",  # noqa: S608 - as above
                    (changed, rowid),
                )
    return count


def _drop_scratch(home: Home) -> None:
    """Nothing runs while somebody is forgotten: what lies there is of killed runs."""
    for path in home.temporary.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _KEPT_SCRATCH:
            path.unlink(missing_ok=True)


def _place(home: Home, file: Path) -> str:
    return file.relative_to(home.root).as_posix()
