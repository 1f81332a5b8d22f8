"""Impressions with a propensity, each with what followed: the log that policies are held against."""
# ruff: noqa: S608  names come from contracts, values are whole numbers and names of event types

from datetime import UTC, datetime, timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.exposures import NAMES_VARIANTS
from recs_platform.contracts.tables import EVENTS, EventType
from recs_platform.contracts.time import MINUTE_MICROSECONDS, as_of_key
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.runner import ModelRun

REWARD = "reward"
_EVENTS, _OPTED_OUT = "staging.stg_resolved_events", "staging.stg_opted_out"


def read_log(platform: Platform, start: datetime, end: datetime, known_at: datetime, metric: EventType) -> pl.DataFrame:
    """One row a request and shown item: request_id, user_id, item_id, position, propensity, reward; sorted.

    Impressions in [start, end) with a propensity, of users who consent; one logged twice in a request counts once.
    Lists of experiments are left out: their propensity is the chance at a place given those before it.
    Events flagged as outliers stay: whether one is flagged depends on what was clicked, and so would the mean.
    `reward` is 1 where the user answered, by whenever, with an event of type `metric`: with the same request_id, or, of
    events without one, within the pause that ends a session. An impression without a request_id is a request alone.

    Raises NotReady where there are none.
    """
    with platform.model_run(known_at, known_at, scratch=True) as models:
        for name in (_EVENTS, _OPTED_OUT, EVENTS.name):
            models.require(name)
        rows = models.query(_sql(start, end, metric, platform.settings.session_gap_minutes * MINUTE_MICROSECONDS))
        if rows.is_empty():
            raise NotReady(_nothing(models, start, end))
    return rows.sort(c.REQUEST_ID, c.POSITION, c.ITEM_ID, nulls_last=True)


def _sql(start: datetime, end: datetime, metric: EventType, gap_us: int) -> str:
    start_us, end_us = (microseconds(instant) for instant in (start, end))
    return f"""
        with known as (
            select events.*, epoch_us(events.occurred_at) as occurred_us
            from {_EVENTS} as events anti join {_OPTED_OUT} as opted_out on events.user_id = opted_out.user_id
            where epoch_us(events.occurred_at) >= {start_us}
        ),
        {_shown(end_us)},
        {_answered(metric, gap_us)}
        select
            shown.request_id, shown.user_id, shown.item_id, shown.position, shown.propensity,
            cast(answered.item_id is not null as double) as {REWARD}
        from shown left join answered
            on shown.request_id = answered.request_id and shown.user_id = answered.user_id
            and shown.item_id = answered.item_id
    """


def _shown(end_us: int) -> str:
    """What was shown with a propensity before an instant, each item once a request."""
    return f"""chances as (
            select event_id, propensity from raw.events
            where event_type = 'impression' and propensity is not null and not {NAMES_VARIANTS}
        ),
        shown as (
            select
                coalesce(events.request_id, events.event_id) as request_id, events.request_id is null as is_alone,
                events.user_id, events.item_id, events.position, chances.propensity, events.occurred_us
            from known as events inner join chances on events.event_id = chances.event_id
            where events.event_type = 'impression' and events.occurred_us < {end_us}
            qualify row_number() over (
                partition by events.user_id, events.item_id, coalesce(events.request_id, events.event_id)
                order by events.occurred_us, events.event_id
            ) = 1
        )"""


def _answered(metric: EventType, gap_us: int) -> str:
    """What of it was answered: with its request, or, where one side has none, within the pause that ends a session."""
    return f"""answers as (
            select user_id, item_id, request_id, occurred_us from known where event_type = '{metric}'
        ),
        answered as (
            select shown.request_id, shown.user_id, shown.item_id
            from shown inner join answers
                on shown.user_id = answers.user_id and shown.item_id = answers.item_id
                and shown.request_id = answers.request_id
            where not shown.is_alone and answers.occurred_us >= shown.occurred_us
            union
            select shown.request_id, shown.user_id, shown.item_id
            from shown inner join answers
                on shown.user_id = answers.user_id and shown.item_id = answers.item_id
            where (shown.is_alone or answers.request_id is null)
                and answers.occurred_us between shown.occurred_us and shown.occurred_us + {gap_us}
        )"""


def microseconds(instant: datetime) -> int:
    """An instant as the log counts it: microseconds since 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def last_logged(platform: Platform, known_at: datetime) -> datetime:
    """When the last impression with a propensity was. Raises NotReady where there is none."""
    with platform.model_run(known_at, known_at, scratch=True) as models:
        models.require(EVENTS.name)
        found = _span(models)
    if found is None:
        raise NotReady(_NO_PROPENSITY)
    return found[1]


_NO_PROPENSITY = (
    "no impression of the log has a propensity, and without the chance with which each item was shown nothing can be "
    "said of other lists; log it, or set exploration.slots so that there is chance to log"
)


def _span(models: ModelRun) -> tuple[datetime, datetime] | None:
    row = models.query(
        "select min(occurred_at) as first, max(occurred_at) as last from raw.events "
        "where event_type = 'impression' and propensity is not null"
    ).row(0)
    return None if row[0] is None else row


def _nothing(models: ModelRun, start: datetime, end: datetime) -> str:
    span = _span(models)
    if span is None:
        return _NO_PROPENSITY
    return (
        f"no impression from {as_of_key(start)} to {end:%Y-%m-%d %H:%M} has a propensity and a user who consents; "
        f"those with one are from {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}"
    )
