"""What every report agrees on: verdicts, what a report is given and what it returns, the head of its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import AS_OF_TABLES, VERDICTS, TableContract
from recs_platform.lake.column_types import polars_schema
from recs_platform.pages import Head, Section, write_page

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.contracts.experiments import ExperimentSettings
    from recs_platform.stages.reports.held_lists import Comparison
    from recs_platform.stages.reports.offers import RetrievalFacts

Verdict = Literal["pass", "no_data", "warn", "block"]
SEVERITY: tuple[Verdict, ...] = ("pass", "no_data", "warn", "block")
NO_DATA: Verdict = "no_data"
INDEX_ADDRESS = "../index.html"
_GRAVITY = "gravity"

# Columns of `reports.bias` that the shared vocabulary lacks.
DIMENSION = "dimension"
REFERENCE = "reference"
RATIO = "ratio"


@dataclass(frozen=True)
class Judgement:
    """One row of `reports.verdicts` before its as-of and report are known."""

    subject: str
    verdict: Verdict
    message: str
    value: float | None = None
    threshold: float | None = None
    sample_size: int = 0


class ReportInputs(Protocol):
    """Everything any report reads; each takes what it needs, and only that is read."""

    @property
    def data_profile(self) -> pl.DataFrame:
        """kind, name, value, unit, message: facts of the events, choices made from them, trials."""
        ...

    @property
    def protocol(self) -> str:
        """How test windows are held out."""
        ...

    @property
    def user_metrics(self) -> pl.DataFrame:
        """Columns of `reports.user_metrics`."""
        ...

    @property
    def tested_lists(self) -> pl.DataFrame:
        """Columns of `reports.tested_lists`."""
        ...

    @property
    def mitigations(self) -> Sequence[str]:
        """Settings that are on for groups of users or items that get little."""
        ...

    @property
    def unmitigated_metrics(self) -> pl.DataFrame:
        """Rows of `reports.user_metrics` of lists without them; none where none is on."""
        ...

    @property
    def unmitigated_list_metrics(self) -> pl.DataFrame:
        """As list_metrics, of lists without them."""
        ...

    @property
    def list_metrics(self) -> pl.DataFrame:
        """model, metric, k, value, protocol, n_windows."""
        ...

    @property
    def user_segments(self) -> pl.DataFrame:
        """user_id, segment_name; one row a user."""
        ...

    @property
    def earlier_metrics(self) -> pl.DataFrame:
        """Rows of `reports.offline_metrics` over everyone, of as-ofs before this one."""
        ...

    @property
    def users(self) -> pl.DataFrame:
        """user_id, age_band, gender, country, subscription."""
        ...

    @property
    def items(self) -> pl.DataFrame:
        """item_id, category, creator of the catalogue."""
        ...

    @property
    def lists(self) -> pl.DataFrame:
        """user_id, item_id, rank, segment_id of the lists about to be released."""
        ...

    @property
    def item_counts(self) -> pl.DataFrame:
        """item_id, interaction_count for the whole catalogue, zeros included."""
        ...

    @property
    def current_features(self) -> Mapping[str, pl.DataFrame]:
        """Keys and features by table name."""
        ...

    @property
    def reference_features(self) -> Mapping[str, pl.DataFrame]:
        """The same as of `reference_as_of`; empty without one."""
        ...

    @property
    def features_before_reference(self) -> Mapping[str, pl.DataFrame]:
        """The same one horizon before `reference_as_of`; empty without events by then."""
        ...

    @property
    def earlier_drift(self) -> pl.DataFrame:
        """Rows of `reports.drift` of as-ofs before this one."""
        ...

    @property
    def daily_mix(self) -> pl.DataFrame:
        """Columns of `staging.stg_daily_mix`."""
        ...

    @property
    def catalogue(self) -> pl.DataFrame:
        """item_id, category, new_at: when the item was published or first seen, null where neither is known."""
        ...

    @property
    def top_scores(self) -> pl.DataFrame:
        """user_id, top_score, score_margin (down to the tenth item, null of a shorter ranking), ranker_version."""
        ...

    @property
    def earlier_activity(self) -> pl.DataFrame:
        """Rows of `reports.activity_drift` of as-ofs before this one."""
        ...

    @property
    def feature_gains(self) -> Mapping[str, float]:
        """Share of the champion's gain that each feature makes; empty where it is no forest."""
        ...

    def origins(self, table: str) -> Mapping[str, Sequence[str]]:
        """Columns of raw tables, `raw.events.dwell_seconds`, that each column of a feature table is computed from."""
        ...

    @property
    def feature_columns(self) -> Mapping[str, Mapping[str, str]]:
        """The scope of each feature by table name."""
        ...

    @property
    def retrieval(self) -> RetrievalFacts:
        """Candidates counted by source, indexes, earlier reports."""
        ...

    @property
    def weekly_outcomes(self) -> pl.DataFrame:
        """Columns of `staging.stg_weekly_outcomes`."""
        ...

    @property
    def listed_users(self) -> pl.DataFrame:
        """Columns of `staging.stg_listed_users`."""
        ...

    @property
    def segment_ids(self) -> pl.DataFrame:
        """user_id, segment_id; one row a user."""
        ...

    @property
    def experiments(self) -> Mapping[str, ExperimentSettings]:
        """Experiments that are set, by name."""
        ...

    @property
    def experiment_days(self) -> pl.DataFrame:
        """Columns of `staging.stg_experiment_days`."""
        ...

    @property
    def held_lists(self) -> Sequence[Comparison]:
        """The coming lists and the release in force, each against what was shown before it, on the log."""
        ...

    @property
    def as_of(self) -> datetime: ...

    @property
    def reference_as_of(self) -> datetime | None:
        """None on the first run: there is nothing to compare with."""
        ...

    @property
    def horizon_days(self) -> int: ...

    @property
    def seed(self) -> int: ...

    @property
    def folder(self) -> Path:
        """Takes the pages."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What pages name at their top, by name: the version of the data, when it was known, what becomes of it."""
        ...


@dataclass(frozen=True)
class ReportResult:
    """A report: `frame` has the columns of `table`, `verdicts` those of `reports.verdicts`.

    `html` is the name of the report's page in the folder that was given, None when it wrote none. `numbers` are the
    few that are worth a line over the as-ofs, by name.
    """

    table: str
    frame: pl.DataFrame
    verdicts: pl.DataFrame
    html: str | None
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the report."""
        return worst(self.verdicts[c.VERDICT].to_list())


@dataclass(frozen=True)
class Report:
    """An entry of REPORTS: one asset and one check are built from each.

    `reads`: tables, views and artifacts of the graph that it reads. `recomputes`: models that it reads as of an earlier
    instant too, computed from the events.
    """

    name: str
    title: str
    table: TableContract
    run: Callable[[ReportInputs], ReportResult]
    reads: tuple[str, ...]
    recomputes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ContractError naming the entry and the field that is wrong."""
        missing = sorted(set(self.recomputes) - set(self.reads))
        faults = {
            f"name = {self.name!r}: it names files and checks; write letters, digits and _": self.name.isidentifier(),
            "title: say in a few words what is measured": self.title.strip(),
            f"table = {self.table.name!r}: it is not in AS_OF_TABLES of contracts/tables": self.table in AS_OF_TABLES,
            "reads: name the tables that it reads": self.reads,
            f"recomputes = {missing}: name them in reads too": not missing,
        }
        for fault, is_right in faults.items():
            if not is_right:
                raise ContractError(f"stages/reports, report {self.name!r}: {fault}")


def worst(verdicts: Iterable[str]) -> Verdict:
    """The gravest verdict; `no_data` when there are none, so that silence is never a pass.

    >>> worst(["pass", "warn", "no_data"]), worst(["pass", "no_data"]), worst([])
    ('warn', 'no_data', 'no_data')

    Raises ContractError for a word that is no verdict.
    """
    given = list(verdicts)
    unknown = sorted(set(given) - set(SEVERITY))
    if unknown:
        raise ContractError(f"not a verdict: {unknown}; the verdicts are {list(SEVERITY)}")
    found: list[Verdict] = [verdict for verdict in SEVERITY if verdict in given]
    return found[-1] if found else NO_DATA


def verdict_rows(report: str, judgements: Iterable[Judgement], *, as_of: datetime) -> pl.DataFrame:
    """Rows of `reports.verdicts` for one report, ordered by subject."""
    rows = [
        {
            c.AS_OF: as_of,
            c.REPORT: report,
            c.SUBJECT: judgement.subject,
            c.VERDICT: judgement.verdict,
            c.VALUE: judgement.value,
            c.THRESHOLD: judgement.threshold,
            c.SAMPLE_SIZE: judgement.sample_size,
            c.MESSAGE: judgement.message,
        }
        for judgement in judgements
    ]
    return contract_frame(rows, VERDICTS).sort(c.SUBJECT)


def write_report(
    inputs: ReportInputs, name: str, title: str, sections: Sequence[Section], verdicts: pl.DataFrame
) -> str:
    """Write a report's page, its verdicts and what it was made from at the top; returns the file's name."""
    head = Head(inputs.facts, gravest_first(verdicts), INDEX_ADDRESS)
    return write_page(inputs.folder / f"{name}.html", title, inputs.as_of, sections, head)


def gravest_first(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `reports.verdicts`, blocks first, then by report and subject."""
    gravity = verdicts[c.VERDICT].replace_strict(SEVERITY, range(len(SEVERITY)))
    return (
        verdicts.with_columns(gravity.alias(_GRAVITY))
        .sort(_GRAVITY, c.REPORT, c.SUBJECT, descending=[True, False, False])
        .drop(_GRAVITY)
    )


def contract_frame(rows: Sequence[Mapping[str, Any]] | pl.DataFrame, contract: TableContract) -> pl.DataFrame:
    """A frame with exactly the contract's columns, in its order and types; absent optional columns are null.

    Raises ContractError when a row has a column of no contract, or a required column is absent or null.
    """
    import polars as pl

    schema = polars_schema(contract.columns)
    given = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
    strange = [name for name in given.columns if name not in schema]
    if strange:
        raise ContractError(f"{contract.name} has no columns {strange}")
    absent = [pl.lit(None).alias(name) for name in schema if name not in given.columns]
    frame = given.with_columns(*absent).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    holes = [column.name for column in contract.columns if column.required and frame[column.name].null_count()]
    if holes:
        raise ContractError(f"{contract.name} needs a value in {holes}; {frame.height} rows were given")
    return frame
