"""Settings of one home: defaults, `<home>/recs.toml`, then `RECS_<FIELD>`. The only reader of the environment.

Parameters of an algorithm sit beside the algorithm; here is what an operator decides.
"""

import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.experiments import ExperimentSettings, Word, explored_draft, require_apart
from recs_platform.contracts.home import Home
from recs_platform.contracts.rule_faults import ListLimits, plan_faults
from recs_platform.contracts.rule_faults import first_fault as contradiction
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.serving_settings import CanarySettings, ServingSettings
from recs_platform.contracts.setting_groups import (
    EventWeightSettings,
    ListSettings,
    NotifySettings,
    OutlierSettings,
    PrivacySettings,
    PublishSettings,
    RankingSettings,
    RetentionSettings,
    RetrainingSettings,
    RetrievalSettings,
    RoleSettings,
    TrainingSettings,
)
from recs_platform.contracts.shapes import Shapes
from recs_platform.contracts.shared_settings import (
    ExplorationSettings,
    PromotionSettings,
    Protocol,
    SegmentSettings,
    SourceDepth,
)
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.surface_settings import SurfaceSettings
from recs_platform.contracts.toml_lines import depth, line_of_key
from recs_platform.contracts.validation_errors import first_fault

HOME_VARIABLE = "RECS_HOME"
_PREFIX, _NESTED = "RECS_", "__"
PUBLISHED_KEY_VARIABLE = "RECS_PUBLISHED_KEY"
# The first is read by the tests of this package; a key is no setting, or it would be shown with them.
_NO_SETTINGS = frozenset({"RECS_RENEW_GOLDEN", PUBLISHED_KEY_VARIABLE})
DEFAULT_HOME = Path("data")


def _all_cores() -> int:
    return os.cpu_count() or 1


class Settings(SourceDepth, BaseSettings):
    """Frozen settings; each field says its type, range, default and reason, and what it shapes."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, env_prefix=_PREFIX, env_nested_delimiter=_NESTED
    )

    home: Annotated[
        Path, Field(description="folder that holds everything; named by RECS_HOME alone"), Shapes("nothing")
    ] = DEFAULT_HOME
    k: Annotated[int, Field(ge=1, le=1000, description="items in a list"), Shapes("build")] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32, description="seed of everything random"), Shapes("retrieval")] = 7
    threads: Annotated[
        int,
        Field(ge=1, le=1024, description="cores one run may use; unset, all of the machine", examples=[2]),
        Shapes("nothing"),
    ] = Field(default_factory=_all_cores)
    memory_limit_gb: Annotated[
        float,
        Field(
            ge=0.5,
            le=100_000,
            description="DuckDB's share of memory, sized for two runs at once; queries that need more fail",
        ),
        Shapes("nothing"),
    ] = 6.0
    train_every_days: Annotated[
        int | None,
        Field(ge=1, le=90, description="days between training cutoffs; unset, the horizon or a week", examples=[7]),
        Shapes("ranker"),
    ] = None
    horizon_days: Annotated[
        int | None,
        Field(
            ge=1,
            le=90,
            description="length of a label or test window; unset, the longest of 14, 7, 3, 1 that history allows",
            examples=[7],
        ),
        Shapes("ranker"),
    ] = None
    evaluation_windows: Annotated[
        int, Field(ge=1, le=100, description="test windows pooled, at most"), Shapes("build")
    ] = 12
    evaluation_windows_min: Annotated[
        int, Field(ge=1, le=100, description="test windows pooled in any case, the newest"), Shapes("build")
    ] = 4
    evaluation_precision: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="test windows are added until NDCG above popularity's is known within this share of itself",
        ),
        Shapes("build"),
    ] = 0.2
    evaluation_protocol: Annotated[
        Literal["auto", Protocol],
        Field(
            description="global = rolling windows, per_user = each user's last fifth, auto = global where users suffice"
        ),
        Shapes("ranker"),
    ] = "auto"
    max_per_category: Annotated[
        int, Field(ge=1, le=1000, description="items of one category in a list, while others last"), Shapes("build")
    ] = 6
    diversity: Annotated[
        float,
        Field(
            ge=0, le=1, description="how much variety of categories counts against relevance; `recs tradeoff` prices it"
        ),
        Shapes("build"),
    ] = 0.0
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
    notify: Annotated[NotifySettings, Shapes("nothing")] = NotifySettings()
    retention: Annotated[RetentionSettings, Shapes("nothing")] = RetentionSettings()
    retraining: Annotated[RetrainingSettings, Shapes("nothing")] = RetrainingSettings()
    roles: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], RoleSettings],
        Field(
            description="files for people who may see less, by name: `published/roles/<name>.duckdb`",
            examples=[{"analyst": {"hide": ["raw.users", "user_id"]}}],
        ),
        Shapes("nothing"),
    ] = {}
    outliers: Annotated[OutlierSettings, Shapes("sql")] = OutlierSettings()
    event_weights: Annotated[EventWeightSettings, Shapes("sql")] = EventWeightSettings()
    training: Annotated[TrainingSettings, Shapes("ranker")] = TrainingSettings()
    ranking: Annotated[RankingSettings, Shapes("nothing")] = RankingSettings()
    promotion: Annotated[PromotionSettings, Shapes("build")] = PromotionSettings()
    lists: Annotated[ListSettings, Shapes("build")] = ListSettings()
    exploration: Annotated[ExplorationSettings, Shapes("build")] = ExplorationSettings()
    rules: Annotated[RulesSettings, Shapes("build")] = RulesSettings()
    surfaces: Annotated[
        dict[Word, SurfaceSettings],
        Field(
            description='further places with lists of their own, by name: see "Surfaces"',
            examples=[{"email": {"k": 5, "board": {"event": "bookmark", "days": 7.0, "by": "region"}}}],
        ),
        Shapes("build"),
    ] = {}
    segments: Annotated[SegmentSettings, Shapes("build")] = SegmentSettings()
    retrieval: Annotated[RetrievalSettings, Shapes("retrieval_config")] = RetrievalSettings()
    serving: Annotated[ServingSettings, Shapes("nothing")] = ServingSettings()
    canary: Annotated[CanarySettings, Shapes("nothing")] = CanarySettings()
    experiments: Annotated[
        dict[Word, ExperimentSettings],
        Field(
            description="what `recs serve` tries on users, by name: see docs/experiments.md",
            examples=[
                {
                    "variety": {
                        "coverage": 0.2,
                        "variants": {"control": {"weight": 0.5}, "varied": {"weight": 0.5, "diversity": 0.3}},
                    }
                }
            ],
        ),
        Shapes("nothing"),
    ] = {}

    @field_validator("experiments")
    @classmethod
    def _refuse_experiments_in_each_others_way(
        cls, experiments: dict[str, ExperimentSettings]
    ) -> dict[str, ExperimentSettings]:
        require_apart(experiments)
        return experiments

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
        file = Home(given if isinstance(given, Path) else home_folder()).settings_file
        toml = TomlConfigSettingsSource(settings_cls, file)
        if "home" in toml():
            raise UsageError(f"{file}: home: {HOME_VARIABLE} alone names the home; take the line out")
        return init_settings, env_settings, toml

    def __hash__(self) -> int:
        """By the home: a dictionary of experiments has no hash, and equal settings are of one home."""
        return hash(self.home)

    @property
    def list_limits(self) -> ListLimits:
        """What rules must fit in."""
        return ListLimits(self.k, self.max_per_category, self.diversity, self.exploration.slots)

    @property
    def paths(self) -> Home:
        return Home(self.home)


def home_folder() -> Path:
    """The home folder that the environment names, absolute; `./data` where it names none.

    Raises UsageError where a folder on the way to it is called `name=value`: readers of the lake take it for a column.
    """
    folder = Path(os.environ.get(HOME_VARIABLE, DEFAULT_HOME)).expanduser().absolute()
    named = next((part for part in folder.parts if "=" in part), None)
    if named is not None:
        raise UsageError(
            f"{HOME_VARIABLE}: {folder}: a home cannot lie in a folder called {named!r}: readers of Parquet would take "
            "that for a column of every table; choose a folder without '='"
        )
    return folder


def published_key() -> str | None:
    """The key of published files that the environment gives; None where it gives none."""
    return os.environ.get(PUBLISHED_KEY_VARIABLE) or None


def read_settings() -> Settings:
    """Read the settings of the home the environment names. Raises UsageError naming the field that is wrong."""
    _refuse_unknown_variables()
    file = Home(home_folder()).settings_file
    try:
        settings = Settings(home=home_folder())
    except ValidationError as error:
        loc, fault = first_fault(error, Settings)
        raise UsageError(f"{setting_place(file, loc)}: {fault}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise UsageError(f"the settings cannot be read: {error}") from None
    found = contradiction(settings.rules, settings.surfaces, settings.list_limits)
    found = found or next(plan_faults(settings.exploration, settings.retrieval.segments, settings.k), None)
    found = found or explored_draft(settings.experiments, settings.exploration.slots)
    found = found or _plain_export(settings)
    if found is not None:
        loc, text = found
        raise UsageError(f"{setting_place(file, loc)}: {'.'.join(loc)}: {text}")
    return settings


def _plain_export(settings: Settings) -> tuple[tuple[str, ...], str] | None:
    """Lists as JSON lines beside encryption: DuckDB encrypts Parquet and its own files alone."""
    if settings.privacy.encrypt and "jsonl" in settings.publish.exports:
        return ("publish", "exports"), '"jsonl" cannot be encrypted, and privacy.encrypt is on: take it out'
    return None


def setting_fields(model: type[BaseModel] = Settings, above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each setting by its dotted name, those of a group after it."""
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from setting_fields(group, f"{above}{name}.")
        else:
            yield f"{above}{name}", field


class SettingOrigins:
    """Who gives a setting: a variable of the environment, which goes first, or a line of the home's `recs.toml`."""

    def __init__(self, file: Path) -> None:
        self._environment = EnvSettingsSource(Settings)()
        self._text = file.read_text("utf-8") if file.is_file() else ""
        self._toml = tomllib.loads(self._text)

    def origin(self, names: Sequence[str]) -> str | int | None:
        """The variable, or the line, that gives just this setting; None where neither does."""
        if depth(self._environment, names) == len(names):
            return self._variable(names)
        return line_of_key(self._text, names) if depth(self._toml, names) == len(names) else None

    def nearest(self, names: Sequence[str]) -> str | int | None:
        """The same, or of what comes nearest to it: a fault may lie beside what was given."""
        if depth(self._environment, names) >= max(1, depth(self._toml, names)):
            return self._variable(names)
        return line_of_key(self._text, names)

    def _variable(self, names: Sequence[str]) -> str | None:
        given = {name.upper() for name in os.environ}
        variables = (f"{_PREFIX}{_NESTED.join(names[:n])}".upper() for n in range(len(names), 0, -1))
        return next((name for name in variables if name in given), None)


def setting_place(file: Path, loc: Sequence[int | str]) -> str:
    """Where a setting was given, for a message: the variable of the environment that names it, else file and line."""
    place = SettingOrigins(file).nearest([str(part) for part in loc])
    if isinstance(place, str):
        return f"the environment's {place}"
    return str(file) if place is None else f"{file}:{place}"


def _refuse_unknown_variables() -> None:
    """A variable that is spelled wrong would be passed over. Raises UsageError with the nearest right name."""
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in _NO_SETTINGS and name.partition(_NESTED)[0] not in known:
            raise UsageError(f"the environment's {name} is no setting{did_you_mean(name, known)}")
