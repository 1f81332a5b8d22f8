"""Lists with the reason of each row; the sentences are made in `stages.reranking.reasons`."""

from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.exploring import NOT_DRAWN, with_holdout_reasons
from recs_platform.pipeline.lists.list_inputs import REASON_DAYS, ListInputs
from recs_platform.pipeline.lists.rules_kept import with_moves
from recs_platform.stages import reranking

_HISTORY = {
    c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.EVENT_TYPE: pl.String, c.OCCURRED_US: pl.Int64, c.WEIGHT: pl.Float64,
}  # fmt: skip
_PROFILES = {c.USER_ID: pl.String, c.COUNTRY: pl.String, c.SEGMENT_ID: pl.String}


@dataclass(frozen=True)
class Reasons:
    """What reasons name: `history` and `profiles` of all users, and counts of what users of a group chose."""

    items: pl.DataFrame
    neighbours: pl.DataFrame
    history: pl.DataFrame
    profiles: pl.DataFrame
    popularity: pl.DataFrame
    segment_popularity: pl.DataFrame
    country_popularity: pl.DataFrame

    @classmethod
    def of(cls, run: AsOfRun, known: ListInputs) -> "Reasons":
        """Those of an as-of."""
        history, profiles, since_us = run.interactions, known.profiles, known.since_us
        return cls(
            items=known.items,
            neighbours=known.neighbours,
            history=history,
            profiles=profiles,
            popularity=reranking.item_popularity(history),
            segment_popularity=reranking.group_popularity(history, profiles, c.SEGMENT_ID, since_us),
            country_popularity=reranking.group_popularity(history, profiles, c.COUNTRY, since_us),
        )

    def of_nobody(self, lists: pl.DataFrame) -> pl.DataFrame:
        """The lists with reasons as if nothing were known of their users."""
        return self._add(lists, pl.DataFrame(schema=_HISTORY), pl.DataFrame(schema=_PROFILES))

    def add(self, lists: pl.DataFrame) -> pl.DataFrame:
        """The lists with reasons."""
        users = lists.select(c.USER_ID).unique()
        history, profiles = (each.join(users, on=c.USER_ID, how="semi") for each in (self.history, self.profiles))
        return self._add(lists, history, profiles)

    def _add(self, lists: pl.DataFrame, history: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
        return reranking.add_reasons(
            lists,
            history=history,
            neighbours=self.neighbours,
            items=self.items,
            users=profiles,
            segment_popularity=self.segment_popularity,
            country_popularity=self.country_popularity,
            popularity=self.popularity,
            window_days=REASON_DAYS,
        )


def explained(reasons: Reasons, lists: pl.DataFrame, moved: pl.DataFrame, is_holdout: pl.Expr) -> pl.DataFrame:
    """The lists with the reason of each row; rows of the hold-out, which come last, tell nothing of their users."""
    return pl.concat([
        with_moves(reasons.add(lists.filter(~is_holdout)), moved),
        with_holdout_reasons(reasons.of_nobody(lists.filter(is_holdout))),
    ])  # fmt: skip


def explained_shared(
    known: ListInputs, shared: reranking.SharedLists, reasons: Reasons
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Shared lists with reasons that are true of anybody, and who refers to which, with their segments."""
    lists = reasons.of_nobody(shared.lists.rename({c.LIST_ID: c.USER_ID})).rename({c.USER_ID: c.LIST_ID})
    lists = lists.with_columns(*NOT_DRAWN, pl.lit(value=False).alias(c.IS_HOLDOUT), known.version)
    segments = known.segments.drop(c.SEGMENT_NAME)
    return lists, shared.references.join(segments, on=c.USER_ID, how="left", maintain_order="left")
