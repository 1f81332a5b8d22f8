"""What reports are given: everything that any of them reads. What they return is in `report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.experiments import ExperimentSettings
    from recs_platform.stages.reports.checked import Checked
    from recs_platform.stages.reports.edge_lists import EdgeLists
    from recs_platform.stages.reports.held_lists import Comparison
    from recs_platform.stages.reports.offers import RetrievalFacts


class ReportInputs(Protocol):
    """Everything any report reads; each takes what it needs, and only that is read."""

    @property
    def data_profile(self) -> pl.DataFrame:
        """kind, name, value, unit, message: facts of the events, choices made from them, trials."""
        ...

    @property
    def daily_quality(self) -> pl.DataFrame:
        """Columns of `staging.stg_daily_quality`."""
        ...

    @property
    def versions(self) -> Mapping[str, pl.DataFrame]:
        """Columns of `staging.stg_item_versions` and `staging.stg_user_versions`, by the raw table they are of."""
        ...

    @property
    def ledger(self) -> pl.DataFrame:
        """Rows of `raw.ingestions` that were known."""
        ...

    @property
    def checked(self) -> Checked:
        """What the checks of ingestion say as of the instant."""
        ...

    @property
    def edge_lists(self) -> EdgeLists | None:
        """Lists of made-up users; None where nothing may be recommended."""
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
        """user_id, age_band, gender, country, subscription, region, top_device."""
        ...

    @property
    def tenures(self) -> pl.DataFrame:
        """user_id, tenure_days: since sign-up or the first event, null where neither is known."""
        ...

    @property
    def learned_from(self) -> pl.DataFrame:
        """user_id, one row a user and window of those that a ranker of the as-of learns from."""
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
        """The same as of `reference_as_of`, of users those that `compared_users` chooses; empty without one."""
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
