"""Which rows of a release may be shown no more, and the lists in their place. What is kept of it is in `served`.

A list is made anew whole, as a server makes it of the same bundle: exploration and the cap hold for all of its places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LISTS, SURFACE_LISTS
from recs_platform.lake.column_types import polars_schema
from recs_platform.stages.releases.bundle.lists import served_list
from recs_platform.stages.releases.bundle.places import Place
from recs_platform.stages.releases.reading import read_personal_lists, read_shared_lists, read_surface_lists
from recs_platform.stages.releases.references import expand
from recs_platform.stages.releases.served import Replacement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import polars as pl

    from recs_platform.contracts.home import Home
    from recs_platform.contracts.manifests import Manifest
    from recs_platform.stages.releases.bundle import Bundle

USERS, ROWS, OPTED_OUT, WITHDRAWN = (
    "replaced_user_count",
    "replaced_row_count",
    "opted_out_user_count",
    "withdrawn_item_count",
)


def replace_rows(
    home: Home,
    release: Manifest,
    bundle: Bundle | None,
    *,
    opted_out: Collection[str],
    withdrawn: Collection[str],
    impersonal: Collection[str],
) -> Replacement:
    """Lists in the place of those with rows that may be shown no more.

    Those are lists of `opted_out` users with an item of any source beside `impersonal` ones, and lists with an item of
    `withdrawn`. `bundle`: the release's, which knows of both already; without one such rows go and none comes.
    """
    rows = _released(home, release.version, withdrawn)
    found = _Found(rows, opted_out, withdrawn, impersonal)
    on_surfaces = read_surface_lists(home, release.version)
    found_there = _Found(on_surfaces, opted_out, withdrawn, impersonal)
    lists = _lists(found, bundle, release)
    surfaces = _surface_lists(found_there, bundle)
    counts = {
        USERS: _distinct(c.USER_ID, found.users, found_there.users),
        ROWS: found.count + found_there.count,
        OPTED_OUT: _distinct(c.USER_ID, found.refusing, found_there.refusing),
        WITHDRAWN: _distinct(c.ITEM_ID, found.withdrawn, found_there.withdrawn),
    }
    return Replacement(lists, found.users, surfaces, found_there.users, counts)


class _Found:
    """Rows that may be shown no more among those of lists, and all rows of the same lists."""

    def __init__(
        self, rows: pl.DataFrame, opted_out: Collection[str], withdrawn: Collection[str], impersonal: Collection[str]
    ) -> None:
        import polars as pl

        self.key = [name for name in (c.SURFACE, c.USER_ID) if name in rows.columns]
        personal = pl.col(c.SOURCES).list.set_difference(pl.lit(pl.Series([list(impersonal)]))).list.len() > 0
        theirs = rows.filter(pl.col(c.USER_ID).is_in(list(opted_out)))
        self.refusing = theirs.filter(personal).select(self.key).unique()
        self.withdrawn = rows.filter(pl.col(c.ITEM_ID).is_in(list(withdrawn)))
        self.users = _stacked(self.refusing, self.withdrawn.select(self.key)).unique().sort(self.key)
        self.rows = rows.join(self.users, on=self.key, how="semi").sort(*self.key, c.RANK)
        # Of somebody who opted out the whole list goes.
        refused = rows.join(self.refusing, on=self.key, how="semi").height
        self.count = refused + self.withdrawn.join(self.refusing, on=self.key, how="anti").height
        self._gone = set(withdrawn)

    def lists(self) -> Iterator[tuple[Sequence[object], pl.DataFrame, bool]]:
        """Key, released rows, and whether the user opted out, of each list to replace."""
        refusing = set(self.refusing.rows())
        for key, rows in self.rows.group_by(self.key, maintain_order=True):
            yield key, rows, key in refusing

    def kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        return rows.filter(~pl.col(c.ITEM_ID).is_in(list(self._gone)))


def _stacked(*frames: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return pl.concat(frames)


def _distinct(column: str, *frames: pl.DataFrame) -> int:
    return _stacked(*(frame.select(column) for frame in frames))[column].n_unique()


def _released(home: Home, release_id: str, withdrawn: Collection[str]) -> pl.DataFrame:
    """Lists of one's own, and of those who share one with a withdrawn item; shared ones tell nothing of anybody."""
    import polars as pl

    personal, shared = read_personal_lists(home, release_id).drop(c.RELEASE_ID), read_shared_lists(home, release_id)
    lists = shared.lists.filter(pl.col(c.ITEM_ID).is_in(list(withdrawn))).select("list_id").unique()
    references = shared.references.join(lists, on=c.LIST_ID, how="semi")
    if references.is_empty():
        return personal
    return pl.concat([personal, expand(shared.lists, references).select(personal.columns)])


def _lists(found: _Found, bundle: Bundle | None, release: Manifest) -> pl.DataFrame:
    import polars as pl

    parts = [pl.DataFrame(schema=polars_schema(LISTS.columns))]
    for (user,), rows, refuses in found.lists():
        kept = found.kept(rows.clear() if refuses else rows)
        user_id = str(user)
        places = [] if bundle is None else _places(bundle, user_id, kept, refuses=refuses)
        made = kept if bundle is None else _frame(places, bundle)
        known = rows.select(c.ITEM_ID, c.PROPENSITY_METHOD)
        parts.append(
            made.select(c.ITEM_ID, c.SCORE, c.SOURCES, c.REASON, c.PROPENSITY)
            .join(known.clear() if refuses else known, on=c.ITEM_ID, how="left", maintain_order="left")
            .with_columns(
                pl.lit(release.as_of).dt.cast_time_unit("us").alias(c.AS_OF),
                pl.lit(user_id).alias(c.USER_ID),
                pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(c.RANK),
                # A segment is inferred of what somebody did.
                pl.lit(None if refuses else rows[c.SEGMENT_ID][0], dtype=pl.String).alias(c.SEGMENT_ID),
                pl.col(c.PROPENSITY_METHOD).fill_null("exact"),
                pl.lit(rows[c.IS_HOLDOUT][0]).alias(c.IS_HOLDOUT),
                pl.lit(rows[c.RANKER_VERSION][0]).alias(c.RANKER_VERSION),
            )
            .select(LISTS.column_names)
        )
    return pl.concat(parts)


def _places(bundle: Bundle, user_id: str, kept: pl.DataFrame, *, refuses: bool) -> list[Place]:
    user = bundle.user(user_id)
    is_shared = not refuses and (user is None or not bundle.list_of(user).items)
    return served_list(bundle, user_id, bundle.rules.k, _sealed(bundle, kept) if is_shared else None)


def _sealed(bundle: Bundle, rows: pl.DataFrame) -> Iterator[Place]:
    columns = (rows[name].to_list() for name in (c.ITEM_ID, c.SCORE, c.REASON, c.SOURCES, c.PROPENSITY))
    for item, score, reason, sources, propensity in zip(*columns, strict=True):
        code = bundle.item(item)
        if code is not None:
            yield Place(code, score, reason, tuple(sources), propensity)


def _frame(places: Sequence[Place], bundle: Bundle) -> pl.DataFrame:
    import polars as pl

    types = polars_schema(LISTS.columns)
    columns: Mapping[str, list[object]] = {
        c.ITEM_ID: [bundle.item_ids[each.item] for each in places],
        c.SCORE: [each.score for each in places],
        c.SOURCES: [list(each.sources) for each in places],
        c.REASON: [each.reason for each in places],
        c.PROPENSITY: [each.propensity for each in places],
    }
    return pl.DataFrame(columns, schema={name: types[name] for name in columns})


def _surface_lists(found: _Found, bundle: Bundle | None) -> pl.DataFrame:
    """A list of a surface loses rows and gets none, for the bundle does not know what else may be shown there."""
    import polars as pl

    parts = [pl.DataFrame(schema=polars_schema(SURFACE_LISTS.columns))]
    for (surface, user), rows, refuses in found.lists():
        made = found.kept(rows)
        if refuses:
            places = [] if bundle is None else served_list(bundle, str(user), rows.height)
            made = rows.clear() if bundle is None else _frame(places, bundle)
        parts.append(
            made.select(c.ITEM_ID, c.SCORE, c.SOURCES, c.REASON)
            .with_columns(
                pl.lit(rows[c.AS_OF][0]).dt.cast_time_unit("us").alias(c.AS_OF),
                pl.lit(str(surface)).alias(c.SURFACE),
                pl.lit(str(user)).alias(c.USER_ID),
                pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(c.RANK),
            )
            .select(SURFACE_LISTS.column_names)
        )
    return pl.concat(parts)
