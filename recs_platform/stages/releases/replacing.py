"""The lists in the place of those with rows that may be shown no more. Which those are is found in `withheld`.

A list is made anew whole, as a server makes it of the same bundle: exploration and the cap hold for all of its places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LISTS, SURFACE_LISTS
from recs_platform.lake.column_types import polars_schema
from recs_platform.stages.releases.reading import read_lists_of, read_shared_lists, read_surface_lists_of
from recs_platform.stages.releases.references import expanded_slices
from recs_platform.stages.releases.served import Replacement
from recs_platform.stages.releases.withheld import (
    REFUSES,
    gone_rows,
    lists_to_replace,
    sharers_to_look_at,
    surface_lists_to_replace,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from recs_platform.contracts.home import Home
    from recs_platform.contracts.manifests import Manifest
    from recs_platform.contracts.tables import Column
    from recs_platform.stages.releases.bundle import Bundle
    from recs_platform.stages.releases.withheld import Withheld

USERS, ROWS, OPTED_OUT, WITHDRAWN, EXPIRED, EXCLUDED = (
    "replaced_user_count",
    "replaced_row_count",
    "opted_out_user_count",
    "withdrawn_item_count",
    "expired_item_count",
    "excluded_item_count",
)


def replace_rows(
    home: Home, release: Manifest, bundle: Bundle | None, withheld: Withheld, impersonal: Sequence[str]
) -> Replacement:
    """Lists in the place of those with rows that may be shown no more.

    Those are lists of users who opted out with an item of any source beside `impersonal` ones, and lists with an item
    that is offered no more, or not where the user is. `bundle`: the release's, which knows of both already; without one
    such rows go and none comes.
    """
    return lists_instead(find_rows(home, release, withheld, impersonal), bundle)


@dataclass(frozen=True, eq=False)
class FoundRows:
    """What `find_rows` found: lists of everywhere, and of surfaces."""

    everywhere: _Found
    on_surfaces: _Found
    withheld: Withheld

    @property
    def is_nothing(self) -> bool:
        """Whether every list is shown as it is."""
        return self.everywhere.keys.is_empty() and self.on_surfaces.keys.is_empty()


def find_rows(home: Home, release: Manifest, withheld: Withheld, impersonal: Sequence[str]) -> FoundRows:
    """Lists of a release with rows that may be shown no more; where there are none, their lists are not read."""
    found = _Found(*_listed(home, release, withheld, impersonal), withheld)
    return FoundRows(found, _Found(*_on_surfaces(home, release, withheld, impersonal), withheld), withheld)


def lists_instead(rows: FoundRows, bundle: Bundle | None) -> Replacement:
    """Lists in the place of those found, see `replace_rows`."""
    found, there = rows.everywhere, rows.on_surfaces
    lists, surfaces = found.kept_alone(), there.kept_alone()
    if bundle is not None and not rows.is_nothing:
        # What loading this module does without: most publishes replace nothing.
        from recs_platform.stages.releases.refilling import refilled_lists, refilled_surfaces

        lists = refilled_lists(bundle, found.keys, lists)
        surfaces = refilled_surfaces(bundle, there.keys, there.rows, surfaces)
    return Replacement(
        _finished(lists, found, LISTS.column_names),
        found.keys.select(found.key),
        _finished(surfaces, there, SURFACE_LISTS.column_names),
        there.keys.select(there.key),
        _counts(found, there, rows.withheld),
    )


class _Found:
    """Lists with rows that may be shown no more.

    `keys`: whose they are, and whether they refuse them whole; `rows`: all of theirs; `gone`: those that may be shown
    no more.
    """

    def __init__(self, keys: pl.DataFrame, rows: pl.DataFrame, withheld: Withheld) -> None:
        self.key = [name for name in (c.SURFACE, c.USER_ID) if name in rows.columns]
        self.keys, self.rows = keys.sort(self.key), rows.sort(*self.key, c.RANK)
        self.gone = gone_rows(self.rows.lazy(), withheld).collect()

    @property
    def refusing(self) -> pl.DataFrame:
        import polars as pl

        return self.keys.filter(pl.col(REFUSES)).select(self.key)

    @property
    def count(self) -> int:
        """Rows that are replaced: of somebody who opted out the whole list."""
        refused = self.rows.join(self.refusing, on=self.key, how="semi").height
        return refused + self.gone.join(self.refusing, on=self.key, how="anti").height

    def kept_alone(self) -> pl.DataFrame:
        """Rows that may be shown on."""
        stays = self.rows.join(self.refusing, on=self.key, how="anti", maintain_order="left")
        return stays.join(self.gone, on=[*self.key, c.ITEM_ID], how="anti", maintain_order="left")


def _listed(
    home: Home, release: Manifest, withheld: Withheld, impersonal: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lists of one's own, and of those who share one with such an item."""
    import polars as pl

    if withheld.is_nothing:
        return _nothing(LISTS.columns)
    keys = lists_to_replace(home, release.version, withheld, impersonal)
    rows = read_lists_of(home, release.version, keys) if keys.height else _nothing(LISTS.columns)[1]
    references = sharers_to_look_at(home, release.version, withheld)
    if references is None or references.is_empty():
        return keys, rows
    parts, shared = [(keys, rows)], read_shared_lists(home, release.version).lists
    for _, expanded in expanded_slices(shared, references):
        theirs = gone_rows(expanded.lazy(), withheld).select(c.USER_ID).unique().collect()
        mine = expanded.join(theirs, on=c.USER_ID, how="semi")
        parts.append((theirs.with_columns(pl.lit(value=False).alias(REFUSES)), mine.select(rows.columns)))
    return pl.concat([each for each, _ in parts]), pl.concat([each for _, each in parts])


def _on_surfaces(
    home: Home, release: Manifest, withheld: Withheld, impersonal: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    keys = None if withheld.is_nothing else surface_lists_to_replace(home, release.version, withheld, impersonal)
    if keys is None or keys.is_empty():
        return _nothing(SURFACE_LISTS.columns)
    return keys, read_surface_lists_of(home, release.version, keys)


def _nothing(columns: Sequence[Column]) -> tuple[pl.DataFrame, pl.DataFrame]:
    import polars as pl

    rows = pl.DataFrame(schema=polars_schema(columns))
    key = [name for name in (c.SURFACE, c.USER_ID) if name in rows.columns]
    return rows.select(*key, pl.lit(value=False).alias(REFUSES)), rows


def _finished(rows: pl.DataFrame, found: _Found, columns: Sequence[str]) -> pl.DataFrame:
    """The places, in order within each list, with the rest of the columns."""
    import polars as pl

    rest = [name for name in columns if name in (c.AS_OF, c.SEGMENT_ID, c.IS_HOLDOUT, c.RANKER_VERSION)]
    first = found.rows.unique(found.key, keep="first", maintain_order=True).select(*found.key, *rest)
    whole = found.keys.join(first, on=found.key, how="left", maintain_order="left")
    if c.SEGMENT_ID in rest:  # inferred of what somebody did
        whole = whole.with_columns(pl.when(~pl.col(REFUSES)).then(c.SEGMENT_ID).alias(c.SEGMENT_ID))
    made = rows.drop(rest, strict=False).join(whole, on=found.key, how="left", maintain_order="left")
    ranks = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(found.key).alias(c.RANK)
    return made.with_columns(ranks, pl.col(c.AS_OF).dt.cast_time_unit("us")).select(columns)


def _counts(found: _Found, there: _Found, withheld: Withheld) -> dict[str, int]:
    items = {*found.gone[c.ITEM_ID], *there.gone[c.ITEM_ID]}
    return {
        USERS: _distinct(found.keys, there.keys),
        ROWS: found.count + there.count,
        OPTED_OUT: _distinct(found.refusing, there.refusing),
        WITHDRAWN: len(items & withheld.withdrawn),
        EXPIRED: len(items & withheld.expired - withheld.withdrawn),
        EXCLUDED: len(items - withheld.items),
    }


def _distinct(*frames: pl.DataFrame) -> int:
    import polars as pl

    return pl.concat([frame.select(c.USER_ID) for frame in frames])[c.USER_ID].n_unique()
