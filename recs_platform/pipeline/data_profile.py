"""The profile of the events as rows: facts, the choices of `pipeline.fitting` and the trials behind them."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.evaluation.data_profile import FACTS
from recs_platform.evaluation.popularity_trials import CATEGORY, FinerTrial, best_half_life
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.fitting import (
    chosen_plan,
    finer_trials,
    half_life_trials,
    measured_facts,
    plan_text,
)
from recs_platform.pipeline.retrieval.inputs import POPULARITY, run_config, switches_in_force

FACT, CHOICE, TRIAL = "fact", "choice", "trial"
_FOR_EVER = "for ever"
_SCHEMA = {c.KIND: pl.String, c.NAME: pl.String, c.VALUE: pl.Float64, c.UNIT: pl.String, c.MESSAGE: pl.String}


def profile_rows(run: AsOfRun) -> pl.DataFrame:
    """Rows of `reports.data_profile` without as_of, in the order in which a reader wants them."""
    return pl.DataFrame([*_choices(run), *_facts(run), *_trials(run)], schema=_SCHEMA, orient="row")


def _choices(run: AsOfRun) -> Iterator[tuple[Any, ...]]:
    chosen = chosen_plan(run)
    plan = chosen.plan
    yield CHOICE, "horizon_days", float(plan.horizon.days), "days", plan_text(chosen)
    yield CHOICE, "train_every_days", float(plan.step_days), "days", "between training cutoffs"
    yield CHOICE, "test_windows", float(len(plan.tests)), "windows", f"at most; held out {chosen.protocol}"
    popularity = run_config(run).sources[POPULARITY].model_dump()
    half_life = popularity["half_life_days"]
    best = best_half_life(half_life_trials(run))
    tried = (
        "nothing to try it on" if best is None else f"best tried: {_name(best.half_life_days)}, NDCG {best.ndcg:.4f}"
    )
    yield CHOICE, "popularity.half_life_days", half_life, "days", f"{_name(half_life)}; {tried}"
    yield CHOICE, "popularity.within", None, "group", _within(popularity)
    for switch in switches_in_force(run):
        name = f"{switch.source}.enabled"
        yield CHOICE, name, float(switch.enabled), "on", f"{'on' if switch.enabled else 'off'}: {switch.reason}"


def _facts(run: AsOfRun) -> Iterator[tuple[Any, ...]]:
    measured = measured_facts(run)
    yield FACT, "interactions", measured["interactions"], "events", "before the first test, impressions left out"
    yield FACT, "users", measured["users"], "users", "with an interaction"
    yield FACT, "items", measured["items"], "items", "with an interaction"
    for name, unit, meaning, _ in FACTS:
        yield FACT, name, measured[name], unit, meaning


def _trials(run: AsOfRun) -> Iterator[tuple[Any, ...]]:
    for trial in half_life_trials(run):
        name = f"popularity, half-life {_name(trial.half_life_days)}"
        yield TRIAL, name, trial.ndcg, "NDCG", f"mean over {trial.users} users and cutoffs before the first test"
    for trial in finer_trials(run):
        name = f"popularity, by {trial.by}"
        yield TRIAL, name, trial.ndcg, "NDCG", _finer(trial)


def _within(popularity: Mapping[str, Any]) -> str:
    """Whose likes count in popularity, and what has a half-life of its own."""
    said = "one order for everybody"
    if popularity["within"] is not None:
        half_life = _name(popularity["within_half_life_days"])
        said = f"by {popularity['within']}, half-life {half_life}, weight {popularity['within_share']:g}"
    own: dict[str, float | None] = popularity["category_half_lives_days"]
    return f"{said}; {_by_category(own)}" if own else said


def _finer(trial: FinerTrial) -> str:
    """What a finer popularity gained, and with which half-lives."""
    how = (
        _by_category(trial.category_half_lives_days)
        if trial.by == CATEGORY
        else f"half-life {_name(trial.half_life_days)}, weight {trial.own_share:g}"
    )
    gained = f"{trial.low:+.4f} to {trial.high:+.4f} beside the best half-life of all"
    return f"{gained}, each cutoff judged with what was best at the others; {how}"


def _by_category(half_lives: Mapping[str, float | None]) -> str:
    return "half-lives " + ", ".join(f"{name} {_name(days)}" for name, days in half_lives.items())


def _name(half_life_days: float | None) -> str:
    """A half-life in words.

    >>> _name(None), _name(0.125), _name(7.0)
    ('for ever', '3 hours', '7 days')
    """
    if half_life_days is None:
        return _FOR_EVER
    return counted(half_life_days * 24, "hour") if half_life_days < 1 else counted(half_life_days, "day")
