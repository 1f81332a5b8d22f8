"""Settings of one home: defaults, `<home>/recs.toml`, then `RECS_<FIELD>`. The only reader of the environment.

Parameters of an algorithm sit beside the algorithm; here is what an operator decides.
"""

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.contracts.shapes import Shapes
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.validation_errors import first_fault

HOME_VARIABLE = "RECS_HOME"
_PREFIX, _NESTED = "RECS_", "__"
# Read by the tests of this package.
_NO_SETTINGS = frozenset({"RECS_RENEW_GOLDEN"})
DEFAULT_HOME = Path("data")


_Weight = Annotated[float, Field(ge=0, le=1000)]
_Quota = Annotated[int, Field(ge=0, le=1000)]
_Name = Annotated[str, Field(min_length=1)]


class PublishSettings(BaseModel):
    """What goes into analytics.duckdb."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    events_as_table_max_rows: Annotated[int, Field(ge=0, le=10**12)] = 5_000_000
    as_ofs_max: Annotated[int, Field(ge=1, le=10_000, description="as_of partitions kept in the published file")] = 30


class PrivacySettings(BaseModel):
    """What is kept of people, in what form, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pseudonymize: Annotated[
        bool, Field(description="store keyed hashes in the place of user ids; decide before the first ingestion")
    ] = False
    retention_days: Annotated[int | None, Field(ge=1, le=36_500, description="days after which events are removed")] = (
        None
    )
    user_attributes: Annotated[
        tuple[_Name, ...], Field(description="keys of users.attributes that are kept; '*' keeps all")
    ] = ()
    item_attributes: Annotated[
        tuple[_Name, ...], Field(description="keys of items.attributes that are kept; '*' keeps all")
    ] = ("*",)


class OutlierSettings(BaseModel):
    """Which events are unlike the others of their type; each day is judged by the days before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    exclude: Annotated[bool, Field(description="leave flagged events out of features and training")] = True
    z_max: Annotated[float, Field(gt=0, le=1000, description="robust z-score beyond which an event is flagged")] = 6.0
    iqr_factor: Annotated[float, Field(gt=0, le=1000, description="quartile distances beyond a quartile that flag")] = (
        3.0
    )
    history_days: Annotated[int, Field(ge=1, le=365, description="days before an event's day that judge it")] = 28
    history_events_min: Annotated[
        int, Field(ge=1, le=10**9, description="events of the type there must be in them")
    ] = 200


class EventWeightSettings(BaseModel):
    """How strongly one event of a type speaks for its item; 0 = consumed or seen, but no sign of liking."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    impression: _Weight = 0.0
    view: _Weight = 1.0
    click: _Weight = 1.0
    scroll: _Weight = 0.5
    play: _Weight = 1.0
    like: _Weight = 3.0
    share: _Weight = 3.0
    comment: _Weight = 3.0
    bookmark: _Weight = 3.0
    follow: _Weight = 2.0
    download: _Weight = 2.0
    rating: _Weight = 1.0
    cart_add: _Weight = 3.0
    purchase: _Weight = 5.0
    subscribe: _Weight = 3.0
    dismiss: _Weight = 0.0


class TrainingSettings(BaseModel):
    """How much past a ranker learns from: windows are added, newest first, until they are and hold enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    windows_min: Annotated[
        int, Field(ge=1, le=1000, description="windows a ranker learns from, while the history has so many")
    ] = 8
    positives_min: Annotated[
        int, Field(ge=0, le=10**9, description="more windows are added until they hold so many positives")
    ] = 500
    users_min: Annotated[int, Field(ge=0, le=10**9, description="or until one of them holds so many users")] = 200
    pooled_users_min: Annotated[
        int, Field(ge=0, le=10**9, description="users in all test windows below which `auto` holds out per user")
    ] = 200


class SegmentSettings(BaseModel):
    """How users are grouped by what they do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    clusters_max: Annotated[int, Field(ge=2, le=20, description="greatest number of behavioural clusters tried")] = 8
    min_share: Annotated[float, Field(gt=0, lt=0.5, description="smaller clusters join their nearest")] = 0.02
    weights: Annotated[
        dict[_Name, _Weight], Field(description="weight of a feature in the distance between users; 1 where not named")
    ] = {}

    def __hash__(self) -> int:
        """A dictionary has no hash; settings are looked up by theirs."""
        return hash((self.clusters_max, self.min_share, tuple(sorted(self.weights.items()))))


class RetrievalSettings(BaseModel):
    """Which candidates are found and kept; what a source or a segment may say is checked where retrieval is set up."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    candidates: Annotated[int, Field(ge=1, le=10_000, description="best of the merge that a user keeps")] = 200
    vectors: Annotated[
        str | None,
        Field(min_length=1, description="Parquet with item_id and vector, relative to the home: your own item vectors"),
    ] = None
    blocked_items: Annotated[tuple[_Name, ...], Field(description="item_ids that nobody is offered")] = ()
    blocked_creators: Annotated[tuple[_Name, ...], Field(description="creators whose items nobody is offered")] = ()
    refit_every_days: Annotated[
        int | None,
        Field(ge=1, le=90, description="days between full fits of vectors; None = each as_of is fitted in full"),
    ] = None
    cold: Annotated[
        dict[str, Any], Field(description="who is cold, and which sources such users are offered items of, in order")
    ] = {}
    quotas: Annotated[
        dict[_Name, _Quota], Field(description="best items of a source that stay candidates in any case")
    ] = {}
    segments: Annotated[
        dict[str, dict[str, Any]], Field(description="by segment_id: sources that are off, and quotas of its own")
    ] = {}
    sources: Annotated[dict[str, dict[str, Any]], Field(description="parameters of a source by its name")] = {}

    def __hash__(self) -> int:
        """Dictionaries have no hash; settings are looked up by theirs."""
        return hash(self.model_dump_json())


class Settings(BaseSettings):
    """Frozen settings; each field says its range and its reason."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, env_prefix=_PREFIX, env_nested_delimiter=_NESTED
    )

    home: Annotated[Path, Shapes("nothing")] = DEFAULT_HOME
    k: Annotated[int, Field(ge=1, le=1000, description="items in a list"), Shapes("build")] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32, description="of everything random"), Shapes("retrieval")] = 7
    threads: Annotated[int, Field(ge=1, le=1024, description="cores one run may use"), Shapes("nothing")] = (
        os.cpu_count() or 1
    )
    memory_limit_gb: Annotated[
        float,
        Field(ge=0.5, le=100_000, description="DuckDB's share; sized for two runs at once; below it queries fail"),
        Shapes("nothing"),
    ] = 6.0
    train_every_days: Annotated[
        int, Field(ge=1, le=90, description="days between training cutoffs"), Shapes("ranker")
    ] = 7
    horizon_days: Annotated[
        int, Field(ge=1, le=90, description="length of a label or test window"), Shapes("ranker")
    ] = 14
    evaluation_windows: Annotated[int, Field(ge=1, le=100, description="test windows pooled"), Shapes("build")] = 12
    evaluation_protocol: Annotated[Literal["auto", "global", "per_user"], Shapes("ranker")] = "auto"
    candidates_per_source: Annotated[int, Field(ge=1, le=1000), Shapes("retrieval_config")] = 40
    max_per_category: Annotated[
        int, Field(ge=1, le=1000, description="items of one category in a list, while others last"), Shapes("build")
    ] = 6
    allow_repeats: Annotated[
        bool, Field(description="recommend what the user has consumed already"), Shapes("retrieval")
    ] = False
    schedule_hour: Annotated[int, Field(ge=0, le=23, description="hour (UTC) of the daily run"), Shapes("nothing")] = 3
    release_max_age_days: Annotated[
        float,
        Field(gt=0, le=365, description="age of a release that the UI calls overdue; it warns at half of it"),
        Shapes("nothing"),
    ] = 2.0
    session_gap_minutes: Annotated[
        int, Field(ge=1, le=1440, description="pause that ends a session where the source names none"), Shapes("sql")
    ] = 30
    landing_settle_seconds: Annotated[
        float,
        Field(ge=0, le=3600, description="a landed file must not have changed for so long before it is read"),
        Shapes("nothing"),
    ] = 1.0
    data_tests: Annotated[
        bool,
        Field(description="run the SQL tests of each table as it is built; a failed one stops what depends on it"),
        Shapes("nothing"),
    ] = True
    publish: Annotated[PublishSettings, Shapes("build")] = PublishSettings()
    privacy: Annotated[PrivacySettings, Shapes("nothing")] = PrivacySettings()
    outliers: Annotated[OutlierSettings, Shapes("sql")] = OutlierSettings()
    event_weights: Annotated[EventWeightSettings, Shapes("sql")] = EventWeightSettings()
    training: Annotated[TrainingSettings, Shapes("ranker")] = TrainingSettings()
    segments: Annotated[SegmentSettings, Shapes("build")] = SegmentSettings()
    retrieval: Annotated[RetrievalSettings, Shapes("retrieval_config")] = RetrievalSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings().get("home")
        home = given if isinstance(given, Path) else home_folder()
        toml = TomlConfigSettingsSource(settings_cls, Home(home).settings_file)
        return init_settings, env_settings, toml

    @property
    def paths(self) -> Home:
        return Home(self.home)


def home_folder() -> Path:
    """The home folder that the environment names, absolute; `./data` where it names none."""
    return Path(os.environ.get(HOME_VARIABLE, DEFAULT_HOME)).expanduser().absolute()


def read_settings() -> Settings:
    """Read the settings of the home the environment names. Raises UsageError naming the field that is wrong."""
    _refuse_unknown_variables()
    file = Home(home_folder()).settings_file
    try:
        return Settings(home=home_folder())
    except ValidationError as error:
        loc, fault = first_fault(error, Settings)
        raise UsageError(f"{_place(file, loc)}: {fault}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise UsageError(f"the settings cannot be read: {error}") from None


def _place(file: Path, loc: Sequence[int | str]) -> str:
    """Where a setting was given: the variable of the environment that names it, else the file, with its line."""
    names = [str(part) for part in loc]
    for depth in range(len(names), 0, -1):
        variable = f"{_PREFIX}{_NESTED.join(names[:depth])}".upper()
        if variable in os.environ:
            return f"the environment's {variable}"
    wanted = re.compile(rf"^\s*(\[.*)?\b{re.escape(names[-1])}\b")
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    line = next((place for place, text in enumerate(lines, start=1) if wanted.match(text)), None)
    return str(file) if line is None else f"{file}:{line}"


def _refuse_unknown_variables() -> None:
    """A variable that is spelled wrong would be passed over. Raises UsageError with the nearest right name."""
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in _NO_SETTINGS and name.partition(_NESTED)[0] not in known:
            raise UsageError(f"the environment's {name} is no setting{did_you_mean(name, known)}")
