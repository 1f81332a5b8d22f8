"""Settings of one home: defaults, `<home>/recs.toml`, then `RECS_<FIELD>`. The only reader of the environment.

Parameters of an algorithm sit beside the algorithm; here is what an operator decides.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home

HOME_VARIABLE = "RECS_HOME"
DEFAULT_HOME = Path("data")


class PublishSettings(BaseModel):
    """What goes into analytics.duckdb."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events_as_table_max_rows: Annotated[int, Field(ge=0)] = 5_000_000
    as_ofs_max: Annotated[int, Field(ge=1, description="as_of partitions kept in the published file")] = 30


class Settings(BaseSettings):
    """Frozen settings; each field says its range and its reason."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="RECS_", env_nested_delimiter="__")

    home: Path = DEFAULT_HOME
    k: Annotated[int, Field(ge=1, le=1000, description="items in a list")] = 10
    seed: Annotated[int, Field(ge=0)] = 7
    threads: Annotated[int, Field(ge=1, description="cores one run may use")] = os.cpu_count() or 1
    memory_limit_gb: Annotated[float, Field(gt=0, description="DuckDB's share; sized for two runs at once")] = 6.0
    train_every_days: Annotated[int, Field(ge=1, le=90, description="days between training cutoffs")] = 7
    horizon_days: Annotated[int, Field(ge=1, le=90, description="length of a label or test window")] = 14
    evaluation_windows: Annotated[int, Field(ge=1, le=100, description="test windows pooled")] = 12
    evaluation_protocol: Literal["auto", "global", "per_user"] = "auto"
    candidates_per_source: Annotated[int, Field(ge=1, le=1000)] = 50
    max_per_category: Annotated[int, Field(ge=1, description="items of one category in a list, while others last")] = 6
    allow_repeats: Annotated[bool, Field(description="recommend what the user has consumed already")] = False
    schedule_hour: Annotated[int, Field(ge=0, le=23, description="hour (UTC) of the daily run")] = 3
    publish: PublishSettings = PublishSettings()

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
    try:
        return Settings(home=home_folder())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"setting {field!r} is wrong: {first['msg']} (in recs.toml or RECS_{field.upper()})") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{Home(home_folder()).settings_file} is not TOML: {error}") from None
