"""What candidate sources offer, counted: overlap, coverage, users served; and index sizes. Verdicts are in `retrieval`.

Counts come by the set of sources that offered a row, of which there are few, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Sets = NDArray[np.bool_]
    Counts = NDArray[np.int64]

ALL = "all"
N = "n"
OTHER_SOURCE = "other_source"
SHARE = "share"
OVERLAP = "overlap"
ONLY_HERE = "only_here"
ROWS_PER_USER = "rows_per_user"
COVERAGE = "coverage"
USERS_SERVED = "users_served"
INDEX_ITEMS = "index_items"
INDEX_MEGABYTES = "index_megabytes"
AUDIT_RECALL = "audit_recall"


@dataclass(frozen=True)
class Offers:
    """The candidates of one as-of, counted by the set of sources behind them.

    `rows`, `users`, `items`: sources (list of names), n. A row counts with the sources that offer it, a user and an
    item with those of all their rows. `enabled`: sources that are asked, in order. `known_users` may be served,
    `eligible_items` may be offered.
    """

    rows: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    enabled: tuple[str, ...]
    known_users: int
    eligible_items: int

    @property
    def sources(self) -> tuple[str, ...]:
        """The enabled ones in order, then others that offered something, by name."""
        found = {name for names in self.rows[c.SOURCES].to_list() for name in names}
        return (*self.enabled, *sorted(found - set(self.enabled)))

    @property
    def row_count(self) -> int:
        """Candidates in all."""
        return int(self.rows[N].sum())


@dataclass(frozen=True)
class IndexFacts:
    """An index: its items of a catalogue, 10^6 bytes of vectors, and (share eligible, recall, queries) of its audit."""

    source: str
    items: int
    catalogue: int
    megabytes: float
    audit: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class RetrievalFacts:
    """What is known of the retrieval of one as-of; `earlier`: rows of reports.retrieval of as-ofs before it."""

    offers: Offers
    indexes: Sequence[IndexFacts]
    earlier: pl.DataFrame


def offer_rows(offers: Offers) -> Iterator[dict[str, Any]]:
    """metric, source, other_source, value, sample_size of rows_per_user, coverage, users_served, only_here, overlap.

    overlap = rows of both sources / rows of the source; only_here = rows no other source offers / its rows: none for a
    source without rows. rows_per_user = rows / users it serves, 0 where it serves nobody. coverage = eligible items it
    offers anybody / eligible items; users_served = users it offers anything / known users: none where there are none.
    Source `all` stands for every candidate, in the first three.
    """
    sources = offers.sources
    rows, users, items = (_totals(frame, sources) for frame in (offers.rows, offers.users, offers.items))
    for position, source in enumerate((ALL, *sources)):
        served = int(users[position])
        yield _row(ROWS_PER_USER, source, int(rows[position]) / served if served else 0.0, served)
        if offers.eligible_items:
            yield _row(COVERAGE, source, int(items[position]) / offers.eligible_items, offers.eligible_items)
        if offers.known_users:
            yield _row(USERS_SERVED, source, served / offers.known_users, offers.known_users)
    yield from _shared_rows(offers, sources)


def index_rows(indexes: Sequence[IndexFacts]) -> Iterator[dict[str, Any]]:
    """metric, source, share, value, sample_size: size of each index, and recall of its audit at each share."""
    for index in indexes:
        yield _row(INDEX_ITEMS, index.source, float(index.items), index.catalogue)
        yield _row(INDEX_MEGABYTES, index.source, index.megabytes, index.items)
        for share, recall, queries in index.audit:
            yield _row(AUDIT_RECALL, index.source, recall, queries) | {SHARE: share}


def _shared_rows(offers: Offers, sources: Sequence[str]) -> Iterator[dict[str, Any]]:
    sets, counts = _sets(offers.rows, sources)
    weighted = sets * counts[:, None]
    both = sets.astype(counts.dtype).T @ weighted
    alone = weighted[sets.sum(axis=1) == 1].sum(axis=0)
    for i, source in enumerate(sources):
        total = int(both[i, i])
        if not total:
            continue
        yield _row(ONLY_HERE, source, int(alone[i]) / total, total)
        for j, other in enumerate(sources):
            if i != j:
                yield _row(OVERLAP, source, int(both[i, j]) / total, total) | {OTHER_SOURCE: other}


def _totals(frame: pl.DataFrame, sources: Sequence[str]) -> Counts:
    """Counts of everything, then of what each source has a part in: (1 + n_sources,)."""
    import numpy as np

    sets, counts = _sets(frame, sources)
    return np.concatenate([[counts.sum()], counts @ sets])


def _sets(frame: pl.DataFrame, sources: Sequence[str]) -> tuple[Sets, Counts]:
    """Which source is in which set: bool (n_sets, n_sources), and the count of each set."""
    import numpy as np

    sets = np.array([[name in names for name in sources] for names in frame[c.SOURCES].to_list()], dtype=np.bool_)
    return sets.reshape(frame.height, len(sources)), frame[N].to_numpy().astype(np.int64)


def _row(metric: str, source: str, value: float, sample_size: int) -> dict[str, Any]:
    return {c.METRIC: metric, c.SOURCE: source, c.VALUE: value, c.SAMPLE_SIZE: sample_size}
