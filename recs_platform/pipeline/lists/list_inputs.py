"""What the lists of an as-of are made from, read once; lists are made in `lists`."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import ITEM_NEIGHBOURS, RANKED
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import USERS, AsOfRun
from recs_platform.pipeline.item_counts import with_user_counts
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages import reranking

REASON_DAYS = 28


@dataclass(frozen=True)
class ListInputs:
    """Frames that lists, their reasons and their rules are made from.

    `ranked`: without users who do not consent. `profiles`: users, with the segment of those who do. `since_us`: from
    when reasons count. `version`: that of the ranker that ordered them, "none" where nothing was ranked.
    """

    items: pl.DataFrame
    users: pl.DataFrame
    ranked: pl.DataFrame
    segments: pl.DataFrame
    profiles: pl.DataFrame
    neighbours: pl.DataFrame
    facts: reranking.RuleFacts
    since_us: int
    version: pl.Expr


def read_inputs(run: AsOfRun) -> ListInputs:
    """Read them as of the run's instant; an opt-out that came since the run began is obeyed."""
    items = with_user_counts(run.items, run.interactions)
    with run.models() as models:
        # Not its version too, the same text in each of millions of rows.
        ranked = models.frame(RANKED.name, [c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES])
        versions = models.head(RANKED.name, 1)[c.RANKER_VERSION].to_list()
        facts = rule_facts(models, run.platform.settings.rules, items)
        segments = models.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID, c.SEGMENT_NAME])
        neighbours = models.frame(ITEM_NEIGHBOURS.name)
        # Not the run's, which may be older than an opt-out.
        users = models.frame(USERS).sort(c.USER_ID)
    opted_out = users.filter(pl.col(IS_OPTED_OUT)).select(c.USER_ID)
    return ListInputs(
        items=items,
        users=users,
        ranked=ranked.join(opted_out, on=c.USER_ID, how="anti"),
        segments=segments,
        profiles=users.join(segments.join(opted_out, on=c.USER_ID, how="anti"), on=c.USER_ID, how="left"),
        neighbours=neighbours,
        facts=facts,
        version=pl.lit(next(iter(versions), "none")).alias(c.RANKER_VERSION),
        since_us=round((run.as_of - timedelta(days=REASON_DAYS)).timestamp() * SECOND_MICROSECONDS),
    )
