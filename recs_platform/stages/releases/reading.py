"""Rows of sealed releases: lists of users, shared lists, short lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import CURRENT, LIST_REFERENCES, LISTS, SHARED_LISTS, SHORT_LISTS, SURFACE_LISTS
from recs_platform.lake.artifacts import artifact, sealed_versions
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.whole_files import collect_whole, read_whole, whole_parquet
from recs_platform.stages.releases.files import (
    LISTS_FILE,
    REFERENCES_FILE,
    RELEASES_ARTIFACT,
    SHARED_FILE,
    SHORT_LISTS_FILE,
    SURFACE_FILE,
)
from recs_platform.stages.releases.in_force import find_release
from recs_platform.stages.releases.references import SharedRows, expand, expanded_slices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home


def read_release(home: Home, release_id: str, *, user: str | None = None) -> pl.DataFrame:
    """Rows of recommendations.current for that release, of all users or one, by user and rank.

    Raises RecsError for an unknown id.
    """
    import polars as pl

    lists, shared = read_personal_lists(home, release_id, user=user), read_shared_lists(home, release_id)
    references = shared.references if user is None else shared.references.filter(pl.col(c.USER_ID) == user)
    if references.height:
        theirs = expand(shared.lists, references).with_columns(pl.lit(release_id).alias(c.RELEASE_ID))
        lists = pl.concat([lists, theirs.select(lists.columns)])
    return lists.sort(c.USER_ID, c.RANK)


def read_personal_lists(home: Home, release_id: str, *, user: str | None = None) -> pl.DataFrame:
    """The same of users who have a list of their own, or of one. Raises RecsError for an unknown id."""
    import polars as pl

    users = None if user is None else [user]
    lists = _complete(_read(home, release_id, LISTS_FILE, users)).with_columns(pl.lit(release_id).alias(c.RELEASE_ID))
    return lists.select(CURRENT.column_names).sort(c.USER_ID, c.RANK)


def read_lists_of(home: Home, release_id: str, users: pl.DataFrame) -> pl.DataFrame:
    """Rows of recommendations.lists of `users` (user_id) alone who have a list of their own, in no order."""
    import polars as pl

    file = _file(home, release_id, LISTS_FILE)
    theirs = pl.scan_parquet(file).join(users.lazy().select(c.USER_ID), on=c.USER_ID, how="semi")
    return _complete(collect_whole(theirs, file)).select(LISTS.column_names)


def read_items_of(home: Home, release_id: str, users: pl.Series, k: int) -> pl.DataFrame:
    """`user_id`, `item_id`, `propensity` of the first `k` places of these users, of shared lists too, in no order.

    Lists of nobody else are expanded: there may be millions of them. Raises RecsError for an unknown id.
    """
    import polars as pl

    asked, shared = users.to_frame(c.USER_ID), read_shared_lists(home, release_id)
    mine = shared.references.join(asked, on=c.USER_ID, how="semi")
    rows = pl.concat(
        [read_lists_of(home, release_id, asked), *(each for _, each in expanded_slices(shared.lists, mine))]
    )
    return rows.filter(pl.col(c.RANK) <= k).select(c.USER_ID, c.ITEM_ID, c.PROPENSITY)


def read_surface_lists_of(home: Home, release_id: str, keys: pl.DataFrame) -> pl.DataFrame:
    """Rows of recommendations.surface_lists of `keys` (surface, user_id) alone, in no order."""
    import polars as pl

    file, key = _file(home, release_id, SURFACE_FILE), [c.SURFACE, c.USER_ID]
    theirs = pl.scan_parquet(file).join(keys.lazy().select(key), on=key, how="semi")
    return collect_whole(theirs.select(SURFACE_LISTS.column_names), file)


def read_shared_lists(home: Home, release_id: str) -> SharedRows:
    """Rows of recommendations.shared_lists and of recommendations.list_references for that release.

    None where everybody has a list of their own. Raises RecsError for an unknown id.
    """
    import polars as pl

    find_release(home, release_id)
    folder = artifact(home.artifacts, RELEASES_ARTIFACT, release_id)
    if not (folder / REFERENCES_FILE).exists():
        return SharedRows(
            *(pl.DataFrame(schema=polars_schema(each.columns)) for each in (SHARED_LISTS, LIST_REFERENCES))
        )
    return SharedRows(_complete(_read(home, release_id, SHARED_FILE)), _read(home, release_id, REFERENCES_FILE))


def read_surface_lists(
    home: Home, release_id: str, *, surface: str | None = None, user: str | None = None
) -> pl.DataFrame:
    """Rows of recommendations.surface_lists for that release, all or some. Raises RecsError for an unknown id."""
    import polars as pl

    find_release(home, release_id)
    file = artifact(home.artifacts, RELEASES_ARTIFACT, release_id) / SURFACE_FILE
    rows = read_whole(file) if file.exists() else pl.DataFrame(schema=polars_schema(SURFACE_LISTS.columns))
    for column, value in ((c.SURFACE, surface), (c.USER_ID, user)):
        rows = rows if value is None else rows.filter(pl.col(column) == value)
    return rows.sort(c.SURFACE, c.USER_ID, c.RANK)


def listed_users(home: Home, release_id: str) -> pl.Series:
    """Everybody whom the release serves, short lists included, sorted. Raises RecsError for an unknown id."""
    import polars as pl

    frames = (
        read_personal_lists(home, release_id),
        read_short_lists(home, release_id),
        read_shared_lists(home, release_id).references,
    )
    return pl.concat([frame.select(c.USER_ID) for frame in frames])[c.USER_ID].unique().sort()


def listed_among(home: Home, release_id: str, users: Sequence[str]) -> set[str]:
    """Those of the users whom the release serves, without reading of others. Raises RecsError for an unknown id."""
    import polars as pl

    own = (_read(home, release_id, file, users)[c.USER_ID] for file in (LISTS_FILE, SHORT_LISTS_FILE))
    shared = read_shared_lists(home, release_id).references[c.USER_ID]
    asked = pl.Series(list(users), dtype=pl.String)
    return set(pl.concat([*own, shared.filter(shared.is_in(asked.implode()))]).to_list())


def read_short_lists(home: Home, release_id: str) -> pl.DataFrame:
    """Rows of recommendations.short_lists for that release, by user. Raises RecsError for an unknown id."""
    return _read(home, release_id, SHORT_LISTS_FILE).select(SHORT_LISTS.column_names).sort(c.USER_ID)


def cut_off_files(home: Home) -> list[str]:
    """What is wrong with files of sealed releases that are cut off or gone, by release; none of their rows is read.

    Raises ContractError for a damaged manifest.
    """
    said: list[str] = []
    for manifest in sealed_versions(home.artifacts, RELEASES_ARTIFACT):
        folder = artifact(home.artifacts, RELEASES_ARTIFACT, manifest.version)
        for file in sorted({folder / LISTS_FILE, folder / SHORT_LISTS_FILE, *folder.glob("*.parquet")}):
            try:
                whole_parquet(file)
            except ContractError as error:
                said.append(str(error))
    return said


def _read(home: Home, release_id: str, file: str, users: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of a file of a release, of all users or some."""
    import polars as pl

    find_release(home, release_id)
    path = _file(home, release_id, file)
    rows = pl.scan_parquet(path)
    return collect_whole(rows if users is None else rows.filter(pl.col(c.USER_ID).is_in(list(users))), path)


def _file(home: Home, release_id: str, file: str) -> Path:
    return whole_parquet(artifact(home.artifacts, RELEASES_ARTIFACT, release_id) / file)


def _complete(lists: pl.DataFrame) -> pl.DataFrame:
    """Lists with the columns that older releases lack: nothing was drawn, and nobody held out."""
    import polars as pl

    added = {c.PROPENSITY_METHOD: pl.lit("exact"), c.IS_HOLDOUT: pl.lit(value=False)}
    return lists.with_columns(value.alias(name) for name, value in added.items() if name not in lists.columns)
