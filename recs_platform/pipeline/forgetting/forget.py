"""Forgetting people, step by step; each step can be killed and repeated, and the receipt is the same.

The order matters: rows that come meanwhile are rejected from the first step on, `raw.identities`, which tells who the
person is, goes last, and only then is the analysts' file written anew.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.home import Lock
from recs_platform.contracts.tables import IDENTITIES
from recs_platform.lake.batches import recover
from recs_platform.lake.forget_requests import drop_requests, waiting_users
from recs_platform.lake.locks import at_work, exclusive
from recs_platform.pipeline.forgetting.artifacts import erase_artifacts, rankers_of, retire_rankers
from recs_platform.pipeline.forgetting.receipts import Journal, Receipt, open_journal, read_receipts
from recs_platform.pipeline.forgetting.tables import count_rows, erase_table, erase_tables, first_event
from recs_platform.pipeline.forgetting.texts import erase_texts
from recs_platform.pipeline.forgetting.who import find_people, known_ids
from recs_platform.pipeline.named_in_settings import require_hidden
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish
from recs_platform.pipeline.report_index import write_index
from recs_platform.pipeline.served import changing_what_is_served
from recs_platform.stages.events.forgotten import FORGOTTEN, add_tombstones, hashes_of, read_tombstones
from recs_platform.stages.events.ingestion import CONTRACTS, IngestContext
from recs_platform.stages.events.landing_removal import LandedRecords, LandingRemoval, remove_from_landing
from recs_platform.stages.events.people import Person, united
from recs_platform.stages.events.pseudonyms import open_privacy
from recs_platform.stages.events.removals import Raw, begin_removal, is_republish_due, republished, settle
from recs_platform.warehouse.connection import open_cursor

Say = Callable[[str], None]
# One pass over the home for so many: conditions name each of their ids.
AT_ONCE = 100


class UnknownPerson(RecsError):
    """No table has a row of some of them."""


@dataclass(frozen=True)
class _Work:
    """What every step is given. `people` by what they are called; `person` is all of them."""

    platform: Platform
    con: duckdb.DuckDBPyConnection
    raw: Raw
    people: Mapping[str, Person]
    person: Person
    now: datetime
    say: Say
    # Some of the ids may be known by their hash alone.
    was_forgotten: bool


def forget(platform: Platform, *users: str, now: datetime, say: Say) -> Receipt:
    """Remove people from everything under the home, or finish a removal that was killed; returns one receipt.

    Waits for builds and ingestions to end, telling `say`. Where all of them were forgotten before, and nothing of them
    came again, it is the receipt of then. Raises RecsError where one is unknown, or where nothing could be published;
    nothing is changed then.
    """
    require_hidden(platform)
    with _working(platform, users, now, say) as work:
        unfinished, done = _receipts(platform, _hashes(work))
        known = known_ids(platform, work.person.ids)
        _require_no_strangers(work, known)
        if unfinished is None and not known:
            return _again(work, done)
        journal = open_journal(platform.home, add_tombstones(platform.home, work.person.ids, now), now)
        for step in (_rankers, _landing, _tables, _artifacts, _texts, _identities, _published):
            step(work, journal)
        return journal.finish(datetime.now(UTC))


def forget_waiting(platform: Platform, *, now: datetime, say: Say) -> tuple[list[Receipt], list[str]]:
    """Carry out every request that waits, as of the HTTP interface; receipts, and what was said of users unknown.

    A request for somebody unknown is dropped; one that cannot be carried out waits, and the others do not wait for it.
    """
    refused = list[RecsError]()  # such as an id that was several people's: the others do not wait for it
    waiting = waiting_users(platform.home, lambda sentence: refused.append(RecsError(sentence)))
    people = find_people(platform, waiting, now, refused.append)
    strangers = _strangers(platform, people, known_ids(platform, united(people.values()).ids))
    able, receipts = [user for user in people if user not in strangers], list[Receipt]()
    for first in range(0, len(able), AT_ONCE):
        some = able[first : first + AT_ONCE]
        receipts.append(forget(platform, *some, now=now, say=say))
        drop_requests(platform.home, some)
    drop_requests(platform.home, strangers)
    return receipts, [*map(str, refused), *(str(_unknown(user)) for user in strangers)]


def forget_dry_run(platform: Platform, *users: str, now: datetime, say: Say) -> dict[str, int]:
    """What `forget` would remove, by place; changes nothing. Raises RecsError where one is unknown."""
    found: dict[str, int] = {}

    def note(place: str, count: int) -> None:
        if count:
            found[place] = count

    with _working(platform, users, now, say) as work:
        _require_no_strangers(work, known_ids(platform, work.person.ids))
        for name, rows in count_rows(work.raw, work.person).items():
            note(f"lake/{name}", rows)
        for each in _look_into_landing(work).files:
            note(f"landing/{each.source_file}", each.records)
        erase_artifacts(platform.home, work.person.ids, note, dry_run=True)
        erase_texts(platform.home, work.person, note, dry_run=True)
    return found


@contextmanager
def _working(platform: Platform, users: Sequence[str], now: datetime, say: Say) -> Generator[_Work, None, None]:
    """Both locks, and the raw tables as they are once batches of dead runs are rolled forward."""
    # A removal by age holds the ingest lock and never waits for the other one.
    with (
        at_work("forgetting a user" if len(users) == 1 else f"forgetting {len(users)} users"),
        exclusive(platform.home.lock(Lock.AS_OF), on_wait=say),
        exclusive(platform.home.lock(Lock.INGEST), on_wait=say),
    ):
        recover(platform.home.batches, platform.lake, CONTRACTS)
        people = find_people(platform, users, now, _raise)
        person = united(people.values())
        with platform.connection() as con, closing(open_cursor(con)) as cursor:
            cursor.execute("set TimeZone = 'UTC'")
            raw = Raw(platform.home, platform.lake, cursor)
            hashes = set(hashes_of(platform.home, person.ids))
            was_forgotten = not hashes.isdisjoint(read_tombstones(platform.home))
            yield _Work(platform, con, raw, people, person, now, say, was_forgotten)


def _raise(error: RecsError) -> None:
    raise error


def _require_no_strangers(work: _Work, known: Collection[str]) -> None:
    """Raise UnknownPerson where the lake has no row of somebody, and they were not forgotten before."""
    strangers = _strangers(work.platform, work.people, known)
    if strangers:
        raise _unknown(*strangers)


def _strangers(platform: Platform, people: Mapping[str, Person], known: Collection[str]) -> list[str]:
    forgotten, ids = set(read_tombstones(platform.home)), set(known)
    return [
        user
        for user, person in people.items()
        if ids.isdisjoint(person.ids) and forgotten.isdisjoint(hashes_of(platform.home, person.ids))
    ]


def _receipts(platform: Platform, hashes: list[str]) -> tuple[Receipt | None, Receipt | None]:
    """The unfinished receipt of any of the ids, and the last finished one."""
    theirs = [each for each in read_receipts(platform.home) if set(each.ids) & set(hashes)]
    unfinished = [each for each in theirs if each.finished_at is None]
    done = [each for each in theirs if each.finished_at is not None]
    return (unfinished[-1] if unfinished else None), (done[-1] if done else None)


def _again(work: _Work, done: Receipt | None) -> Receipt:
    """People who were all forgotten before; files that came since are cleared of them."""
    hashes = _hashes(work)
    if done is not None and set(hashes) <= set(done.ids) and not _look_into_landing(work).files:
        return done
    journal = open_journal(work.platform.home, hashes, work.now)
    _landing(work, journal)
    return journal.finish(datetime.now(UTC))


def _look_into_landing(work: _Work, note: Callable[[LandedRecords], None] | None = None) -> LandingRemoval:
    """What landing holds of them; it is removed where there is somebody to tell."""
    return remove_from_landing(
        _context(work),
        work.con,
        work.person,
        dry_run=note is None,
        note=note or (lambda _: None),
        with_tombstones=work.was_forgotten,
    )


def _hashes(work: _Work) -> list[str]:
    return hashes_of(work.platform.home, work.person.ids)


def _unknown(*users: str) -> UnknownPerson:
    named = ", ".join(map(repr, users))
    who = f"user {named} is" if len(users) == 1 else f"users {named} are"
    return UnknownPerson(
        f"{who} unknown: no table has a row of them; nothing was changed. Files in landing that were not ingested yet: "
        "`recs ingest` first"
    )


def _context(work: _Work) -> IngestContext:
    platform = work.platform
    privacy = open_privacy(platform.home, platform.lake, platform.settings.privacy)
    return IngestContext(platform.home, platform.lake, platform.sources, privacy, work.now, lambda _: None)


def _rankers(work: _Work, journal: Journal) -> None:
    """First, while the lake still says when the person's first event was."""
    home = work.platform.home
    days = work.platform.settings.privacy.retrain_within_days
    found = rankers_of(home, first_event(work.raw, work.person), work.now)
    journal.flag(found, work.now + timedelta(days=days) if days else None)
    # A removal that was interrupted goes by the date of its receipt, not by that of the day on which it is finished.
    retire_rankers(home, found, work.now, journal.receipt.rankers_until)


def _landing(work: _Work, journal: Journal) -> None:
    work.say("landing files")

    def note(each: LandedRecords) -> None:
        journal.note(f"landing/{each.source_file}", each.records, each.before, each.after)

    found = _look_into_landing(work, note)
    journal.leave([f"landing/{name} names them, and no source reads it: remove it yourself" for name in found.unread])


def _tables(work: _Work, journal: Journal) -> None:
    work.say("tables of the lake")
    settle(work.raw, work.now)
    begin_removal(work.platform.home, work.now, FORGOTTEN)
    erase_tables(work.raw, work.person, journal.note)
    settle(work.raw, work.now)


def _artifacts(work: _Work, journal: Journal) -> None:
    work.say("artifacts")
    home = work.platform.home
    with exclusive(home.lock(Lock.PUBLISH), on_wait=work.say), changing_what_is_served(home, work.say):
        erase_artifacts(home, work.person.ids, journal.note, dry_run=False)


def _texts(work: _Work, journal: Journal) -> None:
    work.say("reports, logs and the record of runs")
    erase_texts(work.platform.home, work.person, journal.note, dry_run=False)
    if work.platform.home.reports.exists():
        write_index(work.platform.home)  # without the pages that went


def _identities(work: _Work, journal: Journal) -> None:
    drop_requests(work.platform.home, (*work.person.names, *work.person.ids))
    erase_table(work.raw, IDENTITIES.name, work.person, journal.note)


def _published(work: _Work, journal: Journal) -> None:
    platform = work.platform
    # Lists for other systems may have outlived a file that somebody removed.
    is_out = platform.home.analytics.exists() or any(platform.home.exports.glob("*"))
    if is_republish_due(platform.home) or is_out:
        work.say("the analysts' file")
        journal.note("published", 1)
        for sentence in publish(platform, keep_older=False, on_wait=work.say).set_aside:
            work.say(sentence)
            journal.leave([f"{sentence}: it may hold them"])
        republished(platform.home)
    journal.leave(
        ["copies of the home, exports and published files, and files that somebody holds open are yours to remove"]
    )
