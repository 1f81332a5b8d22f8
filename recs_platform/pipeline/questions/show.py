"""Reads for the command line: example users, item titles, a model computed without storing it."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.pipeline.event_span import require_possible
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.find_user import find_user
from recs_platform.pipeline.retrieval.inputs import with_consent
from recs_platform.stages.releases import (
    ReleaseDiff,
    current_release,
    diff_releases,
    find_release,
    listed_users,
    read_short_lists,
)


def item_titles(platform: Platform, items: Sequence[str]) -> dict[str, str | None]:
    """Titles by item_id as of the release in force; an item it does not know is absent."""
    current = current_release(platform.home)
    with platform.model_run(current.as_of, current.known_at) as run:
        known = run.frame("staging.stg_items", [c.ITEM_ID, c.TITLE])
    return dict(known.filter(pl.col(c.ITEM_ID).is_in(list(items))).iter_rows())


def compare_releases(platform: Platform, a: str, b: str) -> ReleaseDiff:
    """How release `b` differs from `a`, exposure by category and creator as `b` knew the items.

    Raises RecsError for an unknown id.
    """
    later = find_release(platform.home, b)
    with platform.model_run(later.as_of, later.known_at) as run:
        items = run.frame("staging.stg_items", [c.ITEM_ID, c.CATEGORY, c.CREATOR])
    return diff_releases(platform.home, a, b, items)


def why_short(platform: Platform, user: str) -> str | None:
    """Why the user's list in the release in force is shorter than k; None where it is not."""
    current = current_release(platform.home)
    short = read_short_lists(platform.home, current.version)
    stored = find_user(platform, current, user)
    found = short.filter(pl.col(c.USER_ID) == stored)[c.REASON].to_list()
    return found[0] if found else None


def three_users(platform: Platform) -> list[tuple[str, str]]:
    """The most active user, the median one, and one with no interaction yet (where there is one), all with consent."""
    current = current_release(platform.home)
    served = listed_users(platform.home, current.version).to_frame(c.USER_ID)
    with platform.model_run(current.as_of, current.known_at) as run:
        interactions = run.frame("staging.stg_interactions")
        users = with_consent(run.frame("staging.stg_users"))
    counts = (
        served.join(users, on=c.USER_ID, how="semi")
        .join(interactions.group_by(c.USER_ID).len("interactions"), on=c.USER_ID, how="left")
        .with_columns(pl.col("interactions").fill_null(0))
        .sort("interactions", c.USER_ID, descending=[True, False])
    )
    active = counts.filter(pl.col("interactions") > 0)
    picked = [("most active", active[0]), ("typical", active[active.height // 2])] if active.height else []
    brand_new = counts.filter(pl.col("interactions") == 0)
    if brand_new.height:
        picked.append(("brand-new", brand_new[0]))
    return [(f"{who}, {row['interactions'][0]} interactions", row[c.USER_ID][0]) for who, row in picked]


def compute_model(
    platform: Platform, name: str, as_of: datetime, known_at: datetime, *, forced: bool = False
) -> pl.DataFrame:
    """Rows of a SQL model as of an instant, ordered by its grain, computed from the events and not stored.

    What Python writes upstream of it (candidates) is read from the lake's partition. Raises UsageError for an unknown
    model, NotReady when such a partition is missing, either for an as-of that is a mistake unless it is `forced`.
    """
    model = platform.models.get(name)
    require_possible(platform, as_of, known_at, forced=forced)
    stored = [table for table in platform.models.upstreams(name) if _is_as_of_contract(platform, table)]
    with platform.model_run(as_of, known_at) as lake_run:
        frames = {table: lake_run.frame(table) for table in stored}
    for table, frame in frames.items():
        if frame.is_empty():
            raise NotReady(
                f"{name} reads {table}, which has no rows as of {as_of:%Y-%m-%d}; `recs run --as-of` it first"
            )
    with platform.model_run(as_of, known_at, scratch=True) as run:
        for table, frame in frames.items():
            run.register(table, frame)
        return run.frame(model.name, ordered=True)


def _is_as_of_contract(platform: Platform, table: str) -> bool:
    return table not in platform.models and platform.models.is_as_of(table)
