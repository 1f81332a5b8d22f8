"""What the lists of an as-of are made from: ranked rows for some users at a time, the rest once.

Lists are made in `lists`.
"""
# ruff: noqa: S608  names come from contracts, values are text literals

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import ITEM_NEIGHBOURS, RANKED
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import USERS, AsOfRun
from recs_platform.pipeline.item_counts import with_user_counts
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages import reranking
from recs_platform.warehouse.clauses import relation, text_literal
from recs_platform.warehouse.runner import ModelRun

REASON_DAYS = 28
# Of how many users ranked rows are held at once, 50 a user; what is listed does not depend on it.
USERS_AT_ONCE = 50_000


@dataclass(frozen=True)
class ListInputs:
    """Frames that lists, their reasons and their rules are made from.

    `opted_out`: ids of users who do not consent. `profiles`: users, with the segment of those who do. `since_us`: from
    when reasons count. `version`: that of the ranker that ordered the lists, "none" where nothing was ranked.
    """

    items: pl.DataFrame
    users: pl.DataFrame
    opted_out: pl.DataFrame
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
        opted_out=opted_out,
        segments=segments,
        profiles=profiles_of(users, segments),
        neighbours=neighbours,
        facts=facts,
        version=pl.lit(next(iter(versions), "none")).alias(c.RANKER_VERSION),
        since_us=round((run.as_of - timedelta(days=REASON_DAYS)).timestamp() * SECOND_MICROSECONDS),
    )


def profiles_of(users: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """`users`, with the segment of those who consent."""
    permitted = segments.join(users.filter(pl.col(IS_OPTED_OUT)), on=c.USER_ID, how="anti")
    return users.join(permitted, on=c.USER_ID, how="left")


def ranked_of(run: AsOfRun, known: ListInputs, users: pl.Series) -> pl.DataFrame:
    """`user_id`, `item_id`, `score`, `rank`, `sources` of those users who consent: rows that lists are made of."""
    with run.models() as models:
        return ranked_rows(models, users.to_frame(c.USER_ID).join(known.opted_out, on=c.USER_ID, how="anti"))


def ranked_rows(models: ModelRun, asked: pl.DataFrame) -> pl.DataFrame:
    """The same of the users of a frame, whoever they are."""
    first, last = asked.select(pl.col(c.USER_ID).min().alias("first"), pl.col(c.USER_ID).max().alias("last")).row(0)
    columns = (c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES)
    within = "false" if first is None else f"{c.USER_ID} between {text_literal(first)} and {text_literal(last)}"
    models.require(RANKED.name)
    # Rows are stored by user, so that of other users' next to nothing is read.
    chosen = f"{within} and {c.RANK} <= {RANKED_PER_USER}"
    rows = models.query(f"select {', '.join(columns)} from {relation(RANKED.name)} where {chosen}")
    return rows.join(asked, on=c.USER_ID, how="semi")


def some_at_a_time(context: reranking.RerankContext) -> Iterator[reranking.RerankContext]:
    """The context of as many of its users at a time as ranked rows may be held of, ascending, with what they consumed.

    At least one, of nobody where there is nobody.
    """
    users = context.users.sort()
    for start in range(0, max(len(users), 1), USERS_AT_ONCE):
        some = users.slice(start, USERS_AT_ONCE)
        consumed = context.consumed.join(some.to_frame(c.USER_ID), on=c.USER_ID, how="semi")
        yield replace(context, users=some, consumed=consumed)
