"""A few events long after all others, which move the default as-of to where the log is empty. See `event_span`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType

from recs_platform.contracts.tables import EVENTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.event_span import LATE_DAYS, default_as_of, midnight_after
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.clauses import scan

# A log that went on after a pause has more than this behind the pause.
_FEW_SHARE = 0.1
# What lies before the bulk is left out of its span likewise: one event of 1970 makes no log of fifty years.
_EARLY_SHARE = 0.01
_EPOCH = date(1970, 1, 1)


def far_events(
    platform: Platform,
    now: datetime,
    default: datetime | None = None,
    arriving: Mapping[int, int] = MappingProxyType({}),
) -> str | None:
    """A caution about the events that alone make the default as-of what it is; None where there are no such events.

    `arriving`: events that are about to be ingested, by day, and `default` what the as-of then is.
    """
    today = (now.date() - _EPOCH).days
    counts = Counter({day: count for day, count in _days(platform) if day <= today})
    counts.update({day: count for day, count in arriving.items() if day <= today})
    days = sorted(counts.items())
    bulk = last_day_of_bulk(days)
    if bulk is None:
        return None
    few, at = sum(count for day, count in days if day > bulk), _midnight(bulk)
    first = min(day for day, _ in days if day > bulk)
    events, moves = ("1 event", "moves") if few == 1 else (f"{few:,} events", "move")
    others = sum(count for _, count in days) - few
    return (
        f"caution: {events} since {_EPOCH + timedelta(days=first)} {moves} the default as-of from {as_of_key(at)}, "
        f"where the other {others:,} end, to {as_of_key(default or default_as_of(platform, now))}: little there is "
        f"recent. As of the others' end: recs run --as-of {as_of_key(at)}"
    )


def last_day_of_bulk(days: Sequence[tuple[int, int]]) -> int | None:
    """The day before the first gap that only a few events follow; None without one.

    `days`: number of the day and its events, ascending. A gap counts that is longer than LATE_DAYS and than the span of
    the events before it, where those after it are a tenth of them at most.

    >>> last_day_of_bulk([(1, 50), (20, 50), (3000, 3)]), last_day_of_bulk([(1, 50), (20, 50), (40, 3)])
    (20, None)
    >>> last_day_of_bulk([(1, 50), (3000, 50)]), last_day_of_bulk([(1, 1), (2001, 200), (2101, 200), (2400, 1)])
    (None, 2101)
    """
    total, before = sum(count for _, count in days), 0
    for (day, count), (following, _) in pairwise(days):
        before += count
        gap = following - day
        is_few = total - before <= _FEW_SHARE * before
        if is_few and gap > LATE_DAYS and gap > day - _first_day(days, before):
            return day
    return None


def _first_day(days: Sequence[tuple[int, int]], events: int) -> int:
    """The day by which a hundredth of the first `events` events has happened."""
    seen = 0
    for day, count in days:
        seen += count
        if seen > _EARLY_SHARE * events:
            return day
    return days[0][0]


def _days(platform: Platform) -> list[tuple[int, int]]:
    files = platform.lake.files(EVENTS.name) if platform.lake.exists(EVENTS.name) else []
    if not files:
        return []
    counted = f"select event_date - date '1970-01-01' as day, count(*) from {scan(files, {})} group by 1 order by 1"  # noqa: S608  ours
    with platform.connection() as con:
        return [(int(day), int(count)) for day, count in con.execute(counted).fetchall()]


def _midnight(day: int) -> datetime:
    return midnight_after(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day))
