"""Experiments of a home for the command line: which there are, and what one says, computed anew from the events."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.experiments import ExperimentSettings
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.time import as_of_key
from recs_platform.pages import Head, write_page
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.report_inputs import report_folder
from recs_platform.stages.reports.experiments import EXPERIMENT_DAYS, NAME, Read, judge, read_days, sections
from recs_platform.stages.reports.report import INDEX_ADDRESS
from recs_platform.stages.reports.verdicts import verdict_rows


def find_experiment(platform: Platform, name: str) -> ExperimentSettings:
    """The settings of an experiment. Raises UsageError naming those there are."""
    known = platform.settings.experiments
    if name not in known:
        there = ", ".join(sorted(known)) or "none is set in recs.toml"
        raise UsageError(f"no experiment {name!r}{did_you_mean(name, known)}; there are: {there}")
    return known[name]


def list_experiments(platform: Platform, today: date) -> Iterator[dict[str, Any]]:
    """One row an experiment of the settings, by name; `state` is planned, running or over."""
    for name, each in sorted(platform.settings.experiments.items()):
        is_over = each.ends_on is not None and each.ends_on < today
        yield {
            "experiment": name,
            "kind": each.kind,
            "state": "running" if each.runs_on(today) else "over" if is_over else "planned",
            "layer": each.layer,
            "start": each.start,
            "coverage": each.coverage,
            "starts_on": each.starts_on,
            "ends_on": each.ends_on,
            "variants": ", ".join(f"{variant} {each.variants[variant].weight:g}" for variant in each.variants),
        }


def read_one(platform: Platform, name: str, as_of: datetime, first: date | None) -> Read:
    """What an experiment says as of an instant. Raises NotReady where nobody was exposed."""
    settings = find_experiment(platform, name)
    read = read_days(name, settings, _days(platform, as_of), as_of, first)
    if not read.users + read.left_out:
        since = f" from {first} on" if first is not None else ""
        raise NotReady(
            f"experiment {name}: nobody was exposed{since} before {as_of_key(as_of)}; impressions must name the "
            "recommendation_id of their list, and `recs ingest` takes them in"
        )
    return read


def _days(platform: Platform, as_of: datetime) -> pl.DataFrame:
    with platform.model_run(as_of, datetime.now(UTC)) as run:
        return run.frame(EXPERIMENT_DAYS)


def write_experiment_page(platform: Platform, read: Read, as_of: datetime) -> str:
    """Write the page of one experiment; returns its path relative to the home."""
    verdicts = verdict_rows(NAME, [judge(read)], as_of=as_of)
    folder = report_folder(platform, as_of)
    file, title = f"experiment-{read.name}.html", f"Experiment {read.name}"
    page = write_page(folder / file, title, as_of, sections([read]), Head(verdicts=verdicts, index=INDEX_ADDRESS))
    return str((folder / page).relative_to(platform.home.root))
