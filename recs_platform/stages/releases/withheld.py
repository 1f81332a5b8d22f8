"""What may be shown no more of a release, and which of its lists have a row of it.

Who and what that is by now is read in `pipeline.served`; what takes the place of such rows is made in `replacing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.lake.artifacts import artifact
from recs_platform.lake.whole_files import collect_whole, whole_parquet
from recs_platform.stages.releases.files import (
    LISTS_FILE,
    REFERENCES_FILE,
    RELEASES_ARTIFACT,
    SHARED_FILE,
    SURFACE_FILE,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home

REFUSES = "_refuses"


@dataclass(frozen=True)
class Regions:
    """Where users are, and what may not be offered there, by now.

    `user_regions`: user_id, availability_region; who is not there is in UNKNOWN_REGION. `exclusions`:
    availability_region, item_id.
    """

    user_regions: pl.DataFrame
    exclusions: pl.DataFrame


@dataclass(frozen=True)
class Withheld:
    """Users who have opted out by now, under every id of theirs, and items that are offered no more, by why.

    `withdrawn`: by an announcement since, or blocked by the settings. `expired`: their time is over. `regions`: None
    where everything may be offered everywhere.
    """

    opted_out: frozenset[str] = frozenset()
    withdrawn: frozenset[str] = frozenset()
    expired: frozenset[str] = frozenset()
    regions: Regions | None = None

    @property
    def items(self) -> frozenset[str]:
        """Items that nobody is shown."""
        return self.withdrawn | self.expired

    @property
    def is_nothing(self) -> bool:
        """Whether everybody may be shown everything."""
        return not (self.opted_out or self.items) and (self.regions is None or self.regions.exclusions.is_empty())


def lists_to_replace(home: Home, release_id: str, withheld: Withheld, impersonal: Sequence[str]) -> pl.DataFrame:
    """`user_id`, `_refuses` of lists with a row that may be shown no more, each once, sorted; shared lists too."""
    file = _folder(home, release_id) / LISTS_FILE
    return _with_withheld(file, [c.USER_ID], withheld, impersonal)


def surface_lists_to_replace(
    home: Home, release_id: str, withheld: Withheld, impersonal: Sequence[str]
) -> pl.DataFrame | None:
    """`surface`, `user_id`, `_refuses` of lists of surfaces; None where the release has none."""
    file = _folder(home, release_id) / SURFACE_FILE
    return _with_withheld(file, [c.SURFACE, c.USER_ID], withheld, impersonal) if file.exists() else None


def sharers_to_look_at(home: Home, release_id: str, withheld: Withheld) -> pl.DataFrame | None:
    """References to shared lists with an item that somebody may be shown no more; None where there are none.

    Whether the list of one of them has it, the expanded list tells. Nobody is withheld: a shared list tells nothing of
    them.
    """
    import polars as pl

    folder = _folder(home, release_id)
    if not (folder / REFERENCES_FILE).exists():
        return None
    gone = set(withheld.items)
    if withheld.regions is not None:
        gone.update(withheld.regions.exclusions[c.ITEM_ID])
    is_gone = pl.col(c.ITEM_ID).is_in(pl.Series(sorted(gone), dtype=pl.String).implode())
    shared, references = folder / SHARED_FILE, folder / REFERENCES_FILE
    lists = collect_whole(_rows(shared).filter(is_gone).select(c.LIST_ID).unique(), shared)
    return collect_whole(_rows(references).join(lists.lazy(), on=c.LIST_ID, how="semi"), references)


def gone_rows(rows: pl.LazyFrame, withheld: Withheld) -> pl.LazyFrame:
    """Rows whose item may be shown no more to their user."""
    import polars as pl

    items = pl.Series(sorted(withheld.items), dtype=pl.String)
    nobodys = rows.filter(pl.col(c.ITEM_ID).is_in(items.implode()))
    if withheld.regions is None:
        return nobodys
    regions, exclusions = withheld.regions.user_regions.lazy(), withheld.regions.exclusions.lazy()
    elsewhere = (
        rows.join(exclusions.select(c.ITEM_ID).unique(), on=c.ITEM_ID, how="semi", maintain_order="left")
        .filter(~pl.col(c.ITEM_ID).is_in(items.implode()))
        .join(regions, on=c.USER_ID, how="left", maintain_order="left")
        .with_columns(pl.col(c.AVAILABILITY_REGION).fill_null(UNKNOWN_REGION))
        .join(exclusions, on=[c.AVAILABILITY_REGION, c.ITEM_ID], how="semi", maintain_order="left")
        .drop(c.AVAILABILITY_REGION)
    )
    return pl.concat([nobodys, elsewhere])


def _with_withheld(file: Path, key: Sequence[str], withheld: Withheld, impersonal: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    rows = _rows(file)
    personal = pl.col(c.SOURCES).list.set_difference(pl.lit(pl.Series([list(impersonal)]))).list.len() > 0
    users = pl.Series(sorted(withheld.opted_out), dtype=pl.String)
    theirs = rows.filter(pl.col(c.USER_ID).is_in(users.implode())).filter(personal).select(key)
    found = (
        theirs.unique().with_columns(pl.lit(value=True).alias(REFUSES)),
        gone_rows(rows.select(*key, c.ITEM_ID), withheld)
        .select(key)
        .unique()
        .with_columns(pl.lit(value=False).alias(REFUSES)),
    )
    return collect_whole(pl.concat(found).group_by(key).agg(pl.col(REFUSES).any()).sort(key), file)


def _rows(file: Path) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_parquet(whole_parquet(file))


def _folder(home: Home, release_id: str) -> Path:
    return artifact(home.artifacts, RELEASES_ARTIFACT, release_id)
