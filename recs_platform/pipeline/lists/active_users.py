"""Who gets a list of their own: everybody, or who was active lately. The others refer to a shared list."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import DAY_SECONDS
from recs_platform.pipeline.as_of_run import AsOfRun

USER_FEATURES = "features.user_features"


def active_users(run: AsOfRun) -> pl.Series | None:
    """Ids of users with an event, or a sign-up, within `lists.active_within_days` of the as-of; None for everybody.

    Of users who opted out no event counts: their list is not personal in any case.
    """
    within = run.platform.settings.lists.active_within_days
    return None if within is None else run.once("active users", lambda: _active(run, within))


def _active(run: AsOfRun, within_days: int) -> pl.Series:
    with run.models() as models:
        features = models.frame(USER_FEATURES, [c.USER_ID, c.RECENCY_DAYS])
    since_sign_up = (pl.lit(run.as_of) - pl.col(c.SIGNED_UP_AT)).dt.total_seconds()
    signed_up = run.users.filter(since_sign_up <= within_days * DAY_SECONDS).select(c.USER_ID)
    seen = features.filter(pl.col(c.RECENCY_DAYS) <= within_days).select(c.USER_ID)
    return pl.concat([seen, signed_up])[c.USER_ID].unique().sort()
