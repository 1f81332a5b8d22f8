"""Jobs that an operator starts by what they are for; each does what a command does. Releases have jobs of their own."""
# Dagster leaves parts of its jobs untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportCallIssue=false

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import dagster as dg
from pydantic import Field

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Lock
from recs_platform.contracts.tables import PROMOTIONS
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.defs import metadata
from recs_platform.defs.assets import champion, events, features, ranking, segments
from recs_platform.defs.jobs import LOGGING
from recs_platform.defs.one_line import fails_in_one_line
from recs_platform.defs.resources import HomeResource
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.ingestion.quarantine import QuarantineFilter
from recs_platform.pipeline.platform import Platform

_TRIALS_MAX = 1_000  # time ends the search


class Evaluate(dg.Config):
    """Which past instant to evaluate at."""

    as_of: str = Field(description="Candidates and ranker are rebuilt from events before it, such as 2017-02-06.")


class Tune(dg.Config):
    """What to tune, and for how long."""

    what: Literal["retrieval", "ranker"] = Field(default="retrieval", description="What is tuned.")
    minutes: float = Field(default=10.0, description="No trial begins later; above 0.")
    adopt: bool = Field(default=False, description="Put the result in force where it gained by more than chance.")


@dg.op(description="Rebuilds candidates and ranker as of a past instant and scores them on the horizon after it.")
@fails_in_one_line
def evaluate_past(context: dg.OpExecutionContext, config: Evaluate, home: HomeResource) -> dg.Output[None]:
    """The metrics are the metadata of its output."""
    # Here and below: loading definitions does without what is imported.
    from recs_platform.pipeline.event_span import require_possible
    from recs_platform.pipeline.training.backtest import evaluate_once

    platform, instant = home.platform, parse_instant(config.as_of)
    require_possible(platform, instant, datetime.now(UTC))
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=context.log.warning):
        metrics = evaluate_once(platform, instant, context.log.info)
    table = dg.MetadataValue.md(metadata.markdown_table(metrics))
    return dg.Output(None, metadata={"as_of": as_of_key(instant), "metrics": table})


@dg.op(description="Searches parameters on data before the first tested cutoff and stores what was found.")
@fails_in_one_line
def search_parameters(context: dg.OpExecutionContext, config: Tune, home: HomeResource) -> dg.Output[None]:
    """What was found is the metadata of its output."""
    if not config.minutes > 0:  # a bound of the field itself would fail with a text of pydantic
        raise UsageError(f"minutes = {config.minutes:g}: it must be above 0")
    platform, now = home.platform, datetime.now(UTC)
    until = time.monotonic() + 60 * config.minutes
    tune = _tune_ranker if config.what == "ranker" else _tune_retrieval
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=context.log.warning):
        version, gain, is_gained = tune(platform, now, until, context.log.info)
        if config.adopt and is_gained:
            _adopt(platform, config.what, version)
    return dg.Output(
        None, metadata={"config": version, "gain": gain, "gained": is_gained, "adopted": config.adopt and is_gained}
    )


def _tune_retrieval(
    platform: Platform, now: datetime, until: float, say: Callable[[str], None]
) -> tuple[str, float, bool]:
    from recs_platform.pipeline.tuning.tune import tune
    from recs_platform.stages.retrieval.tuning.budget import Budget
    from recs_platform.stages.retrieval.tuning.progress import TrialProgress

    budget = Budget(time.monotonic, until, None)
    found = tune(platform, None, now, sources=None, budget=budget, watch=TrialProgress(say), say=say)
    return found.manifest.version, found.tuning.gain.value, found.tuning.is_gained


def _tune_ranker(
    platform: Platform, now: datetime, until: float, say: Callable[[str], None]
) -> tuple[str, float, bool]:
    from recs_platform.pipeline.tuning.tune_ranker import RankerBudget, tune_ranker

    budget = RankerBudget(time.monotonic, until, _TRIALS_MAX)
    found = tune_ranker(platform, None, now, sampler="tpe", budget=budget, say=say)
    return found.manifest.version, found.gain.value, found.is_gained


def _adopt(platform: Platform, what: str, version: str) -> None:
    from recs_platform.pipeline.retrieval import tuned_configs
    from recs_platform.pipeline.training import ranker_configs

    adopt = ranker_configs.adopt_config if what == "ranker" else tuned_configs.adopt_config
    adopt(platform.home.artifacts, version)


@dg.job(description="How good lists would have been as of a past instant; give it in the Launchpad.")
def evaluate() -> None:
    """One step."""
    evaluate_past()


@dg.job(description="Search parameters of retrieval or of the ranker; what gained may be put in force.")
def tune() -> None:
    """One step."""
    search_parameters()


# Features of candidate pairs are made with the candidates.
_OF_CANDIDATES = dg.AssetSelection.assets(metadata.asset_key("features.candidate_features"))
rebuild_features = dg.define_asset_job(
    "rebuild_features",
    selection=dg.AssetSelection.groups(features.GROUP, segments.GROUP) - _OF_CANDIDATES,
    config=LOGGING,
    description="Features and segments of one as-of, and nothing that is made of them.",
)
retrain_ranker = dg.define_asset_job(
    "retrain_ranker",
    selection=dg.AssetSelection.assets(
        ranking.TRAINING_SET_KEY, ranking.RANKER_KEY, champion.CHAMPION_KEY, metadata.asset_key(PROMOTIONS.name)
    ),
    config=LOGGING,
    description="Training set, ranker and the gate of one as-of; lists stay as they are.",
)
replay_quarantine = dg.define_asset_job(
    "replay_quarantine",
    selection=dg.AssetSelection.groups(events.GROUP),
    config={**LOGGING, **events.replay_config(QuarantineFilter())},
    description="Ingest every file with rejected rows again, by today's source SQL.",
)
OPERATOR_JOBS = (evaluate, tune, rebuild_features, retrain_ranker, replay_quarantine)
