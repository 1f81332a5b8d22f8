"""What reports read of a run. Where their tables, pages and verdicts go is in `reports`."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# ruff: noqa: S608  names come from contracts

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.experiments import ExperimentSettings
from recs_platform.contracts.tables import (
    ACTIVITY_DRIFT_HISTORY,
    DATA_PROFILE,
    DRIFT_HISTORY,
    LIST_METRICS,
    LISTS,
    OFFLINE_HISTORY,
    RANKED,
    TESTED_LISTS,
    USER_METRICS,
)
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import artifact
from recs_platform.pages.templating import instant
from recs_platform.pipeline import quality_facts
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_profile import profile_rows
from recs_platform.pipeline.earlier_features import features_at
from recs_platform.pipeline.edge_users.lists import edge_lists
from recs_platform.pipeline.histories import earlier_rows
from recs_platform.pipeline.lists.scoring import champion_version
from recs_platform.pipeline.off_policy.compared import compare_lists
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.facts import retrieval_facts
from recs_platform.pipeline.training.mitigation import mitigations
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import is_window_sealed, learning_users
from recs_platform.pipeline.user_features import HORIZONS_BEFORE
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_scopes
from recs_platform.stages.reports import (
    DAILY_MIX,
    DRIFT_TABLES,
    EXPERIMENT_DAYS,
    LISTED_USERS,
    WEEKLY_OUTCOMES,
    Checked,
    EdgeLists,
    RetrievalFacts,
)
from recs_platform.stages.reports.held_lists import Comparison
from recs_platform.stages.reports.offline_names import EVERYONE, UNMITIGATED
from recs_platform.warehouse.clauses import relation
from recs_platform.warehouse.lineage import written_lineage

_WHO_AND_WHEN = {c.USER_ID, c.ITEM_ID, c.ANONYMOUS_ID, c.EVENT_ID, c.OCCURRED_AT, c.INGESTED_AT, c.EVENT_TYPE}
STAMPED = ("release", "ranker", "data version")
UNKNOWN_YET = "no release yet"
_LOWER_RANK = 10
_WINDOW_MEANS = [c.PROTOCOL, c.MODEL, c.METRIC, c.K]


def report_folder(platform: Platform, at: datetime) -> Path:
    """Pages and verdicts of one as-of."""
    return platform.home.reports / as_of_key(at)


@dataclass(frozen=True)
class RunInputs:
    """What reports read of a run: each part is read when a report asks for it, see `stages.reports.ReportInputs`."""

    run: AsOfRun

    @property
    def data_profile(self) -> pl.DataFrame:
        return profile_rows(self.run)

    @property
    def daily_quality(self) -> pl.DataFrame:
        return quality_facts.daily_quality(self.run)

    @property
    def versions(self) -> Mapping[str, pl.DataFrame]:
        return quality_facts.versions(self.run)

    @property
    def ledger(self) -> pl.DataFrame:
        return quality_facts.ledger(self.run)

    @property
    def checked(self) -> Checked:
        return quality_facts.checked(self.run)

    @property
    def edge_lists(self) -> EdgeLists | None:
        return edge_lists(self.run)

    @property
    def protocol(self) -> str:
        return training_schedule(self.run).protocol

    @property
    def user_metrics(self) -> pl.DataFrame:
        return self._user_metrics.filter(pl.col(c.MODEL) != UNMITIGATED)

    @property
    def tested_lists(self) -> pl.DataFrame:
        return self._frame(TESTED_LISTS.name)

    @property
    def mitigations(self) -> Sequence[str]:
        return mitigations(self.run.platform.settings)

    @property
    def unmitigated_metrics(self) -> pl.DataFrame:
        return self._user_metrics.filter(pl.col(c.MODEL) == UNMITIGATED)

    @property
    def unmitigated_list_metrics(self) -> pl.DataFrame:
        return self._list_metrics.filter(pl.col(c.MODEL) == UNMITIGATED)

    @property
    def list_metrics(self) -> pl.DataFrame:
        return self._list_metrics.filter(pl.col(c.MODEL) != UNMITIGATED)

    @property
    def _user_metrics(self) -> pl.DataFrame:
        return self._frame(USER_METRICS.name)

    @property
    def _list_metrics(self) -> pl.DataFrame:
        """Means over the windows."""
        windows = pl.col(c.CUTOFF).n_unique().cast(pl.Int32).alias(c.N_WINDOWS)
        metrics = self._frame(LIST_METRICS.name)
        return metrics.group_by(_WINDOW_MEANS, maintain_order=True).agg(pl.col(c.VALUE).mean(), windows)

    @property
    def user_segments(self) -> pl.DataFrame:
        return self._frame("segments.user_segments", [c.USER_ID, c.SEGMENT_NAME])

    @property
    def earlier_metrics(self) -> pl.DataFrame:
        return earlier_rows(self.run, OFFLINE_HISTORY).filter(segment=EVERYONE)

    @property
    def users(self) -> pl.DataFrame:
        return self.run.users

    @property
    def tenures(self) -> pl.DataFrame:
        return self._frame("features.user_features", [c.USER_ID, c.TENURE_DAYS])

    @property
    def learned_from(self) -> pl.DataFrame:
        """Of the windows that are sealed: nothing is built for a report."""
        run = self.run
        sealed = takewhile(lambda split: is_window_sealed(run, split), training_schedule(run).training_for(None))
        windows = WindowCache(run, lambda _: None).to_learn_from(sealed)
        users = [learning_users(run.platform, manifest.version) for manifest in windows]
        return pl.concat(users) if users else pl.DataFrame(schema={c.USER_ID: pl.String})

    @property
    def items(self) -> pl.DataFrame:
        return self.run.items.select(c.ITEM_ID, c.CATEGORY, c.CREATOR)

    @property
    def lists(self) -> pl.DataFrame:
        return self._frame(LISTS.name, [c.USER_ID, c.ITEM_ID, c.RANK, c.SEGMENT_ID])

    @property
    def item_counts(self) -> pl.DataFrame:
        return self._frame("features.item_features", [c.ITEM_ID, c.INTERACTION_COUNT])

    @property
    def current_features(self) -> Mapping[str, pl.DataFrame]:
        return {table: self._frame(table) for table in DRIFT_TABLES}

    @property
    def reference_features(self) -> Mapping[str, pl.DataFrame]:
        """The same SQL one horizon earlier; nothing where no event lies before that."""
        return self.run.once("features one horizon earlier", lambda: features_at(self.run, self._earlier[0]))

    @property
    def features_before_reference(self) -> Mapping[str, pl.DataFrame]:
        """Two horizons earlier: what a quiet period is like, while few as-ofs have said so."""
        return self.run.once("features two horizons earlier", lambda: features_at(self.run, self._earlier[1]))

    @property
    def earlier_drift(self) -> pl.DataFrame:
        return earlier_rows(self.run, DRIFT_HISTORY)

    @property
    def daily_mix(self) -> pl.DataFrame:
        return self.run.once("daily mix", lambda: self._frame(DAILY_MIX))

    @property
    def catalogue(self) -> pl.DataFrame:
        new_at = pl.coalesce(c.PUBLISHED_AT, c.FIRST_SEEN_AT).alias(c.NEW_AT)
        return self.run.items.select(c.ITEM_ID, c.CATEGORY, new_at)

    @property
    def top_scores(self) -> pl.DataFrame:
        with self.run.models() as models:
            ranked = relation(models.require(RANKED.name))
            return models.query(
                f"select {c.USER_ID}, max({c.RANKER_VERSION}) as {c.RANKER_VERSION}, max({c.SCORE}) as {c.TOP_SCORE}, "
                f"max({c.SCORE}) - max({c.SCORE}) filter (where {c.RANK} = {_LOWER_RANK}) as {c.SCORE_MARGIN} "
                f"from {ranked} where {c.RANK} in (1, {_LOWER_RANK}) group by {c.USER_ID} order by {c.USER_ID}"
            )

    @property
    def earlier_activity(self) -> pl.DataFrame:
        return self.run.once("earlier activity", lambda: earlier_rows(self.run, ACTIVITY_DRIFT_HISTORY))

    @property
    def feature_gains(self) -> Mapping[str, float]:
        with self.run.models() as models:
            version = champion_version(models)
        ranker = ranking.load_ranker(artifact(self.run.platform.home.artifacts, ranking.RANKER, version))
        return {feature: share for feature, _, share in ranking.feature_importance(ranker).iter_rows()}

    def origins(self, table: str) -> Mapping[str, Sequence[str]]:
        """Columns that merely say who, what and when stand last: most features have them."""
        platform, found = self.run.platform, dict[str, list[str]]()
        edges = written_lineage(platform.models, platform.lineage, table)
        for edge in sorted(edges, key=lambda edge: edge.upstream_column in _WHO_AND_WHEN):
            found.setdefault(edge.column, []).append(f"{edge.upstream_table}.{edge.upstream_column}")
        return found

    @property
    def feature_columns(self) -> Mapping[str, Mapping[str, str]]:
        return {table: feature_scopes(self.run.platform.models.get(table)) for table in DRIFT_TABLES}

    @property
    def retrieval(self) -> RetrievalFacts:
        return retrieval_facts(self.run)

    @property
    def weekly_outcomes(self) -> pl.DataFrame:
        return self.run.frame(WEEKLY_OUTCOMES)

    @property
    def listed_users(self) -> pl.DataFrame:
        return self._frame(LISTED_USERS)

    @property
    def segment_ids(self) -> pl.DataFrame:
        return self._frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID])

    @property
    def experiments(self) -> Mapping[str, ExperimentSettings]:
        return self.run.platform.settings.experiments

    @property
    def experiment_days(self) -> pl.DataFrame:
        return self._frame(EXPERIMENT_DAYS)

    @property
    def held_lists(self) -> Sequence[Comparison]:
        return compare_lists(self.run)

    @property
    def as_of(self) -> datetime:
        return self.run.as_of

    @property
    def reference_as_of(self) -> datetime | None:
        return self._earlier[0] if self.reference_features else None

    @property
    def horizon_days(self) -> int:
        """As the profile of the data says: what was chosen for the as-of."""
        return self.run.once("horizon in days", self._read_horizon_days)

    def _read_horizon_days(self) -> int:
        choices = self._frame(DATA_PROFILE.name).filter(pl.col(c.NAME) == c.HORIZON_DAYS)
        return int(choices[c.VALUE].item())

    @property
    def seed(self) -> int:
        return self.run.platform.settings.seed

    @property
    def folder(self) -> Path:
        folder = report_folder(self.run.platform, self.run.as_of)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def facts(self) -> Mapping[str, str]:
        """The release and what made it are known once it is sealed."""
        return dict.fromkeys(STAMPED, UNKNOWN_YET) | {"known at": instant(self.run.known_at)}

    @property
    def _earlier(self) -> list[datetime]:
        return [self.run.as_of - timedelta(days=self.horizon_days) * horizons for horizons in HORIZONS_BEFORE]

    def _frame(self, table: str, columns: list[str] | None = None) -> pl.DataFrame:
        with self.run.models() as models:
            return models.frame(table, columns)
