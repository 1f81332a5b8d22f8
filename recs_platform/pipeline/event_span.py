"""Which instants the lake's events cover, and the default as-of that follows from them."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.tables import EVENTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.clauses import instant_literal, scan

# Windows of features reach back 28 days: beyond that they are empty for everybody.
LATE_DAYS = 30


def event_span(platform: Platform) -> tuple[datetime, datetime]:
    """First and last `occurred_at` in the lake. Raises NotReady when there is no event."""
    span = _span(platform, platform.lake.version(EVENTS.name)) if platform.lake.exists(EVENTS.name) else None
    if span is None:
        raise NotReady("the lake holds no event: `recs land` a data set or `recs simulate`, then `recs ingest`")
    return span


@lru_cache(maxsize=4)
def _span(platform: Platform, version: int) -> tuple[datetime, datetime] | None:
    first, last = _ask(platform, version, "epoch_us(min(occurred_at)), epoch_us(max(occurred_at))") or (None, None)
    return None if first is None or last is None else (_instant(first), _instant(last))


def _ask(platform: Platform, version: int, what: str) -> tuple[int | None, ...] | None:
    files = platform.lake.files(EVENTS.name, version)
    if not files:
        return None
    with platform.connection() as con:
        # Whole numbers and no parameters: for either of the others DuckDB imports pandas, half a second of a rollback.
        return con.execute(f"select {what} from {scan(files, {})}").fetchone()  # noqa: S608  ours


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def last_event(platform: Platform, now: datetime) -> datetime | None:
    """The last `occurred_at` in the lake that is not in the future; None where all are. NotReady without any event."""
    last = event_span(platform)[1]
    if last <= now:
        return last
    until = f"epoch_us(max(occurred_at) filter (where occurred_at <= {instant_literal(now)}))"
    found = _ask(platform, platform.lake.version(EVENTS.name), until)
    return None if found is None or found[0] is None else _instant(found[0])


def default_as_of(platform: Platform, now: datetime | None = None) -> datetime:
    """Midnight after the last event; events from the future count for nothing. Raises NotReady without any event."""
    moment = now or datetime.now(UTC)
    return midnight_after(last_event(platform, moment) or moment)


def midnight_after(instant: datetime) -> datetime:
    """The first midnight (UTC) after an instant, a day later when it is midnight itself."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def require_events_before(platform: Platform, as_of: datetime) -> None:
    """Raise NotReady unless some event lies before the instant."""
    first = event_span(platform)[0]
    if first >= as_of:
        raise NotReady(
            f"no event before {as_of_key(as_of)}: the first is of {first:%Y-%m-%d %H:%M}; choose a later as-of"
        )


def require_possible(platform: Platform, as_of: datetime, now: datetime, *, forced: bool = False) -> None:
    """Reject an as-of that is a mistake: after now, before the first event or long after the last one.

    Raises UsageError or NotReady; `forced` lets pass what can be built all the same.
    """
    if not forced:
        require_not_after(as_of, now)
    require_events_before(platform, as_of)
    if not forced:
        require_not_late(as_of, default_as_of(platform, now))


def require_not_after(as_of: datetime, now: datetime) -> None:
    """Raise UsageError beyond the next midnight, which is the as-of of a day that is not over."""
    if as_of > midnight_after(now):
        raise UsageError(
            f"as-of {as_of_key(as_of)} is after now ({now:%Y-%m-%d %H:%M} UTC); the latest is "
            f"{as_of_key(midnight_after(now))}, or use --force to build it anyway"
        )


def require_not_late(as_of: datetime, default: datetime) -> None:
    """Raise NotReady more than LATE_DAYS after midnight after the last event, which is the default."""
    late = as_of - default
    if late > timedelta(days=LATE_DAYS):
        raise NotReady(
            f"as-of {as_of_key(as_of)} is {late.days:,} days after the last event, of the day before "
            f"{as_of_key(default)}: nothing in it would be recent; choose {as_of_key(default)}, land newer events, or "
            "use --force to build it anyway"
        )
