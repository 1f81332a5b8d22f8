"""Which instants the lake's events cover, and the as-of that follows from them. Runs nothing."""

from datetime import datetime, timedelta
from functools import lru_cache

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import EVENTS
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.platform import Platform


def event_span(platform: Platform) -> tuple[datetime, datetime]:
    """First and last `occurred_at` in the lake. Raises NotReady when there is no event."""
    span = _span(platform, platform.lake.version(EVENTS.name)) if platform.lake.exists(EVENTS.name) else None
    if span is None:
        raise NotReady("the lake holds no event: `recs land` a data set or `recs simulate`, then `recs ingest`")
    return span


@lru_cache(maxsize=4)
def _span(platform: Platform, version: int) -> tuple[datetime, datetime] | None:
    files = platform.lake.files(EVENTS.name, version)
    if not files:
        return None
    with platform.connection() as con:
        row = con.execute("select min(occurred_at), max(occurred_at) from read_parquet(?)", [files]).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def default_as_of(platform: Platform) -> datetime:
    """Midnight after the last event."""
    return midnight_after(event_span(platform)[1])


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
