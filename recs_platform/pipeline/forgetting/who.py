"""Who a person is: every id under which rows of theirs are stored. Their rows are removed in `forget`."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.tables import CONSENTS, EVENTS, IDENTITIES, USER_HISTORY, USERS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.find_user import IDENTITIES as RESOLVED
from recs_platform.pipeline.questions.find_user import names_in
from recs_platform.stages.events.people import Person, Span

_KNOWN_IN = (USERS, USER_HISTORY, CONSENTS, IDENTITIES, EVENTS)
PERSON_COLUMNS = (c.USER_ID, c.ANONYMOUS_ID)


def find_people(
    platform: Platform, users: Sequence[str], now: datetime, refuse: Callable[[RecsError], None]
) -> dict[str, Person]:
    """Persons by what people call them; `refuse` is told of each who cannot be told apart from others."""
    links, found = _links(platform, now), dict[str, Person]()
    for user in users:
        try:
            found[user] = _find_person(platform, user, links)
        except RecsError as error:
            refuse(error)
    return found


def _find_person(platform: Platform, user: str, links: pl.DataFrame) -> Person:
    """The person whom people call `user`: by id, by pseudonym, or by an anonymous id that only they used.

    `ids` begins with the id of the person itself. An id that others used too is a span for each time it was theirs.
    Raises RecsError for an anonymous id of several people, UsageError when the key of pseudonyms cannot be trusted.
    """
    names = names_in(platform, user)
    owners = {str(owner) for owner in links.filter(pl.col(c.ANONYMOUS_ID).is_in(list(names)))[c.USER_ID]}
    if len(owners) > 1:
        raise RecsError(f"{user!r} belonged to {len(owners)} people; name the user to be forgotten, not the shared id")
    mains = (*owners, *names)
    theirs = links.filter(pl.col(c.USER_ID).is_in(list(mains)))
    others = links.filter(~pl.col(c.USER_ID).is_in(list(mains)))[c.ANONYMOUS_ID]
    linked = sorted({str(each) for each in theirs[c.ANONYMOUS_ID]} - set(others))
    shared = theirs.filter(pl.col(c.ANONYMOUS_ID).is_in(others.implode())).sort(c.ANONYMOUS_ID, "starts_at")
    spans = [Span(*row) for row in shared.select(c.ANONYMOUS_ID, "starts_at", "ends_at").iter_rows()]
    return Person(tuple(dict.fromkeys((*mains, *linked))), tuple(spans), (user,))


def known_ids(platform: Platform, ids: Collection[str]) -> set[str]:
    """Those of the ids of which any raw table has a row."""
    found: set[str] = set()
    for table in _KNOWN_IN:
        files = platform.lake.files(table.name) if platform.lake.exists(table.name) else []
        for name in [name for name in PERSON_COLUMNS if files and name in table.column_names]:
            theirs = pl.scan_parquet(files).select(name).filter(pl.col(name).is_in(list(ids))).unique().collect()
            found |= {str(each) for each in theirs[name]}
    return found


def _links(platform: Platform, now: datetime) -> pl.DataFrame:
    """Which id led to which person when, as known now; none where nothing was ingested."""
    if not platform.lake.exists(IDENTITIES.name) or not platform.lake.files(IDENTITIES.name):
        times = {"starts_at": pl.Datetime("us", "UTC"), "ends_at": pl.Datetime("us", "UTC")}
        return pl.DataFrame(schema={c.ANONYMOUS_ID: pl.String(), c.USER_ID: pl.String(), **times})
    with platform.model_run(now, now) as run:
        links = run.frame(RESOLVED)
    return links.filter(pl.col("knowledge") == "now")
