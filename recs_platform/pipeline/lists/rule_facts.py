"""What rules of the settings look at, read as of an instant; nothing is read that no rule which is on asks for."""

from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.tables import EventType
from recs_platform.contracts.time import DAY_SECONDS, SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import INTERACTIONS, USER_SEGMENTS, USERS
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages.reranking import RuleFacts, tastes_of
from recs_platform.warehouse.runner import ModelRun

SHOWN_ITEMS = "staging.stg_shown_items"
_PAIR = [c.USER_ID, c.ITEM_ID]


def rule_facts(models: ModelRun, rules: RulesSettings, items: pl.DataFrame) -> RuleFacts:
    """Facts for the rules that are on. Of users who opted out nothing is known: neither dismissals nor impressions."""
    used, nothing = rules.used(), RuleFacts()
    if not used:
        return nothing
    segments, tastes, shown, dismissed = nothing.segments, nothing.tastes, nothing.shown, nothing.dismissed
    if any(rule.segments for _, rule in rules.each()):
        users = models.frame(USERS, [c.USER_ID, IS_OPTED_OUT])
        opted_out = users.filter(pl.col(IS_OPTED_OUT))
        segments = models.frame(USER_SEGMENTS, [c.USER_ID, c.SEGMENT_ID], ordered=True)
        segments = segments.join(opted_out, on=c.USER_ID, how="anti", maintain_order="left")
    if "frequency_cap" in used:
        days = max(plan.days for plan in rules.frequency_cap.plans().values())
        shown = models.frame(SHOWN_ITEMS, list(nothing.shown.columns), ordered=True)
        shown = shown.filter(pl.col(c.DAYS_AGO) < days)
    if used & {"dismissed", "calibration"}:
        events = models.frame(INTERACTIONS, [*_PAIR, c.EVENT_TYPE, c.OCCURRED_US, c.WEIGHT])
        tastes = tastes_of(events.filter(pl.col(c.WEIGHT) > 0), items)
        dismissed = _dismissed(events, models.as_of)
    return RuleFacts(models.as_of, segments, dismissed, shown, tastes)


def facts_of_window(
    as_of: datetime | None, consumed: pl.DataFrame, items: pl.DataFrame, rules: RulesSettings
) -> RuleFacts:
    """What a test window tells: the instant and tastes. Segments, dismissals and impressions are not kept in it."""
    return RuleFacts(as_of, tastes=tastes_of(consumed, items)) if rules.used() else RuleFacts()


def _dismissed(events: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    now_us = round(as_of.timestamp() * SECOND_MICROSECONDS)
    age = (now_us - pl.col(c.OCCURRED_US).max()) / (DAY_SECONDS * SECOND_MICROSECONDS)
    refused = events.filter(pl.col(c.EVENT_TYPE) == EventType.DISMISS)
    return refused.group_by(_PAIR).agg(age.cast(pl.Float64).alias(c.AGE_DAYS)).sort(_PAIR)
