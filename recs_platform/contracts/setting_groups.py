"""Groups of settings, each about one thing that an operator decides. Those that stages read are in `shared_settings`.

They come together in `settings`, which alone reads the file and the environment.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from recs_platform.contracts.shared_settings import LearningPlan, Name, RetrievalPlan, SettingGroup, Weight


class PublishSettings(SettingGroup):
    """What goes into analytics.duckdb."""

    events_as_table_max_rows: Annotated[
        int,
        Field(
            ge=0,
            le=10**12,
            description="above it raw.events, or another table of the lake, is a view over linked files",
        ),
    ] = 2_000_000
    as_ofs_max: Annotated[int, Field(ge=1, le=10_000, description="as_of partitions kept in the published file")] = 30
    exports: Annotated[
        tuple[Literal["parquet", "jsonl"], ...],
        Field(description="lists in force are also written to exports/, a line a user: parquet, jsonl"),
    ] = ()


class PrivacySettings(SettingGroup):
    """What is kept of people, in what form, and for how long."""

    pseudonymize: Annotated[
        bool, Field(description="store keyed hashes in the place of user ids; decide before the first ingestion")
    ] = False
    retention_days: Annotated[
        int | None,
        Field(ge=1, le=36_500, description="days after which events are removed; unset, never", examples=[365]),
    ] = None
    encrypt: Annotated[
        bool,
        Field(description="encrypt the published file, files of roles and exports; needs DuckDB's extension httpfs"),
    ] = False
    keep_landing: Annotated[
        bool,
        Field(description="leave files in landing once they were ingested; false deletes them, in plain as they are"),
    ] = True
    retrain_within_days: Annotated[
        int,
        Field(
            ge=0, le=365, description="days a ranker that learned from a forgotten person may serve on; 0: not again"
        ),
    ] = 0
    user_attributes: Annotated[
        tuple[Name, ...], Field(description="keys of users.attributes that are kept; '*' keeps all")
    ] = ()
    item_attributes: Annotated[
        tuple[Name, ...],
        Field(description="keys of items.attributes kept beside offered_in, not_offered_in and age_min; '*' keeps all"),
    ] = ("*",)


class RetentionSettings(SettingGroup):
    """What `recs prune` leaves."""

    as_ofs_max: Annotated[
        int, Field(ge=1, le=10_000, description="as-ofs kept, the newest; the release in force and a pinned one always")
    ] = 30
    unused_days: Annotated[
        int, Field(ge=1, le=36_500, description="days after their last use in which windows, vectors and rankers stay")
    ] = 30
    runs_days: Annotated[int, Field(ge=1, le=36_500, description="days in which the records of finished runs stay")] = (
        90
    )


class RoleSettings(SettingGroup):
    """People who get a file of their own with less in it."""

    hide: Annotated[
        tuple[Name, ...],
        Field(description="tables and columns that are left out; columns of user ids become pseudonyms"),
    ] = ()


class NotifySettings(SettingGroup):
    """Who is told when a run fails."""

    webhook_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/\s]+",
            description='address that is posted {"text": …} for each failed run; unset, the log alone says it',
            examples=["https://chat.example.org/hooks/recs"],
        ),
    ] = None
    timeout_seconds: Annotated[
        float, Field(gt=0, le=60, description="time after which a webhook that does not answer is given up")
    ] = 5.0


class RetrainingSettings(SettingGroup):
    """When `drift_sensor` trains a ranker."""

    quiet_as_ofs: Annotated[
        int, Field(ge=1, le=1000, description="as-ofs without drift that end an episode; each trains one ranker")
    ] = 3


class OutlierSettings(SettingGroup):
    """Which events are unlike the others of their type; each day is judged by the days before it."""

    exclude: Annotated[bool, Field(description="leave flagged events out of features and training")] = True
    z_max: Annotated[float, Field(gt=0, le=1000, description="robust z-score beyond which an event is flagged")] = 6.0
    iqr_factor: Annotated[float, Field(gt=0, le=1000, description="quartile distances beyond a quartile that flag")] = (
        3.0
    )
    history_days: Annotated[int, Field(ge=1, le=365, description="days before an event's day that judge it")] = 28
    history_events_min: Annotated[
        int, Field(ge=1, le=10**9, description="events of the type there must be in them")
    ] = 200


class EventWeightSettings(SettingGroup):
    """How strongly one event of a type speaks for its item; 0 = consumed or seen, but no sign of liking."""

    impression: Annotated[Weight, Field(description="weight of an impression")] = 0.0
    view: Annotated[Weight, Field(description="weight of a view")] = 1.0
    click: Annotated[Weight, Field(description="weight of a click")] = 1.0
    scroll: Annotated[Weight, Field(description="weight of scrolling through")] = 0.5
    play: Annotated[Weight, Field(description="weight of a play")] = 1.0
    like: Annotated[Weight, Field(description="weight of a like")] = 3.0
    share: Annotated[Weight, Field(description="weight of a share")] = 3.0
    comment: Annotated[Weight, Field(description="weight of a comment")] = 3.0
    bookmark: Annotated[Weight, Field(description="weight of a bookmark")] = 3.0
    follow: Annotated[Weight, Field(description="weight of a follow")] = 2.0
    download: Annotated[Weight, Field(description="weight of a download")] = 2.0
    rating: Annotated[
        Weight, Field(description="weight of a rating of five; a lower one counts its share, one below three nothing")
    ] = 1.0
    cart_add: Annotated[Weight, Field(description="weight of putting into the cart")] = 3.0
    purchase: Annotated[Weight, Field(description="weight of a purchase")] = 5.0
    subscribe: Annotated[Weight, Field(description="weight of a subscription")] = 3.0
    dismiss: Annotated[Weight, Field(description="weight of a dismissal")] = 0.0


class TrainingSettings(LearningPlan):
    """How much past a ranker learns from, windows added newest first until they are and hold enough; and how."""

    windows_min: Annotated[
        int, Field(ge=1, le=1000, description="windows a ranker learns from, while the history has so many")
    ] = 8
    positives_min: Annotated[
        int, Field(ge=0, le=10**9, description="more windows are added until they hold so many positives")
    ] = 500
    users_min: Annotated[int, Field(ge=0, le=10**9, description="or until one of them holds so many users")] = 200
    trials: Annotated[
        int,
        Field(
            ge=0, le=50, description="past cutoffs at which contenders for the lists are tried; 0 = the ranker serves"
        ),
    ] = 5
    pooled_users_min: Annotated[
        int, Field(ge=0, le=10**9, description="users in all test windows below which `auto` holds out per user")
    ] = 200


class RetrievalSettings(RetrievalPlan[Name]):
    """Which candidates are found and kept.

    What a source may say is checked where retrieval is set up.
    """

    vectors: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Parquet with item_id and vector, relative to the home: your own item vectors; unset, none",
            examples=["vectors.parquet"],
        ),
    ] = None
    blocked_items: Annotated[tuple[Name, ...], Field(description="item_ids that nobody is offered")] = ()
    blocked_creators: Annotated[tuple[Name, ...], Field(description="creators whose items nobody is offered")] = ()
    sources: Annotated[
        dict[str, dict[str, Any]],
        Field(
            description="parameters of a source by its name; every source has `enabled` and `weight`",
            examples=[{"trending": {"half_life_days": 3.0}}],
        ),
    ] = {}  # noqa: RUF012 - a pydantic model copies its defaults


class RankingSettings(SettingGroup):
    """How the champion scores."""

    compile: Annotated[
        bool,
        Field(description="compile the champion's forest where a C compiler is installed; its scores stay the same"),
    ] = True


class ListSettings(SettingGroup):
    """For whom lists are made, and for how long they are meant."""

    expires_days_min: Annotated[
        float, Field(gt=0, le=3650, description="days after the as-of for which a list is meant at least")
    ] = 1.0
    expires_days_max: Annotated[
        float,
        Field(gt=0, le=3650, description="the same at most; between them, a user's usual days from visit to visit"),
    ] = 7.0

    active_within_days: Annotated[
        int | None,
        Field(
            ge=1,
            le=3650,
            description="days since their last event in which users get a list of their own, others share one; unset, "
            "everybody",
            examples=[90],
        ),
    ] = None
    contributions_kept: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="largest parts of its score that each listed row keeps in recommendations.score_parts; half a "
            "minute of a core per 100,000 users at ten rows each, so none by default",
        ),
    ] = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.expires_days_min > self.expires_days_max:
            raise ValueError(
                f"expires_days_min ({self.expires_days_min:g}) is above expires_days_max ({self.expires_days_max:g})"
            )
        return self
