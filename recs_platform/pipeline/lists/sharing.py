"""Shared lists of an as-of: for whom they are made, and whether they keep what lists promise; others are in `lists`.

How they are made is in `stages.reranking.shared_lists`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.active_users import USER_FEATURES, active_users
from recs_platform.stages import reranking
from recs_platform.stages.releases.references import expanded_slices

# A shared list tells something of those whose device it is: none is made of what fewer users chose.
_DEVICE_USERS_MIN = 5


def share_lists_of(
    run: AsOfRun, context: reranking.RerankContext, rules: Sequence[reranking.Rule], since_us: int
) -> reranking.SharedLists:
    """Shared lists for users who were not active lately; none where everybody gets a list of their own.

    `since_us`: from when on the popularity of a device counts.
    """
    active = active_users(run)
    users = context.users.clear() if active is None else context.users.filter(~context.users.is_in(active.implode()))
    with run.models() as models:
        devices = models.frame(USER_FEATURES, [c.USER_ID, c.TOP_DEVICE])
    if users.is_empty():
        devices = devices.clear()  # nobody to count for
    counts = reranking.group_popularity(run.interactions, devices, c.TOP_DEVICE, since_us)
    popular = counts.filter(pl.col(c.USER_COUNT) >= _DEVICE_USERS_MIN)
    return reranking.share_lists(replace(context, users=users), devices, popular, rules)


def without_sharers(context: reranking.RerankContext, references: pl.DataFrame) -> reranking.RerankContext:
    """The context of the users who get a list of their own."""
    users = context.users.to_frame(c.USER_ID).join(references, on=c.USER_ID, how="anti", maintain_order="left")
    return replace(context, users=users[c.USER_ID])


def shared_violations(
    shared: pl.DataFrame,
    references: pl.DataFrame,
    as_of: datetime,
    context: reranking.RerankContext,
    filters: Sequence[reranking.Filter],
) -> Mapping[str, pl.DataFrame]:
    """Rows that break a promise among those that users are shown of shared lists, by check; `context`: of everybody."""
    at = pl.lit(as_of).dt.cast_time_unit("us").alias(c.AS_OF)
    shared, references = shared.with_columns(at), references.with_columns(at)
    nobody = pl.DataFrame(schema={c.USER_ID: pl.String})
    found: list[Mapping[str, pl.DataFrame]] = []
    for users, rows in expanded_slices(shared, references):
        # Who refers to a list is to be shown k items of it: nobody among them may be short.
        theirs = replace(context, users=users)
        found.append(reranking.violations(reranking.RerankResult(rows, nobody), theirs, filters))
    names = list(found[0]) if found else list[str]()
    return {name: pl.concat([each[name] for each in found]) for name in names}
