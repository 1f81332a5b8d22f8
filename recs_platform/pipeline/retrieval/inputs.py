"""What retrieval is given: its config, the problem as codes, users with profiles, the operator's vectors."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ValidationError

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.shared_settings import KEPT_OF_EACH
from recs_platform.contracts.validation_errors import sentence
from recs_platform.evaluation.popularity_trials import CATEGORY, FinerTrial
from recs_platform.pipeline.as_of_run import INTERACTIONS, ITEMS, USER_SEGMENTS, USERS, AsOfRun
from recs_platform.pipeline.fitting import finer_popularity, measured_facts, popularity_half_life
from recs_platform.pipeline.geo_availability import GeoAvailability, read_geo_availability, run_geo_availability
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.tuned_configs import adopted_changes
from recs_platform.settings import setting_place
from recs_platform.stages import retrieval
from recs_platform.warehouse.runner import ModelRun

IS_OPTED_OUT = "is_opted_out"
VECTORS, POPULARITY, GROUP_POPULARITY = "vectors", "popularity", "group_popularity"
HALF_LIFE = "half_life_days"
_PROBLEM = "retrieval problem"
_TAKEN = "sealed retrieval config"
# Fields of a source that say nothing of what it counts.
_ASKED = {"enabled", "weight"}


def run_config(run: AsOfRun) -> retrieval.RetrievalConfig:
    """The config of retrieval that a run works with, read once. Errors as `retrieval_config`.

    Popularity forgets and counts as suits the data, where nobody names how; that of groups forgets as fast at least.
    Sources are switched as facts of the data say. Where a sealed config was taken, it is that one.
    """
    if run.known.has(_TAKEN):
        return run.known.once(_TAKEN, lambda: retrieval_config(run.platform))
    named = run.known.once("named retrieval config", lambda: retrieval_config(run.platform))
    own = named.sources[POPULARITY].model_dump()
    if own["enabled"] and not _named_fields(run.platform, POPULARITY) - _ASKED:
        # Before the config's own lock: what is tried asks for what is known.
        own |= _popularity_fields(popularity_half_life(run), finer_popularity(run))
    switched = {switch.source: {"enabled": switch.enabled} for switch in switches_in_force(run)}
    return run.known.once("retrieval config", lambda: _fading(run.platform, named, own).with_sources(switched))


def take_config(run: AsOfRun, sealed: Mapping[str, Any]) -> None:
    """Let the run work with a config that was sealed: what suits the data was found out when that was made.

    `sealed`: parameters of the manifest; those that are no fields of the config are left. Before anything asks for it.
    """
    fields = {name: sealed[name] for name in retrieval.RetrievalConfig.model_fields if name in sealed}
    run.known.once(_TAKEN, lambda: retrieval.RetrievalConfig.model_validate(fields))


def switches_in_force(run: AsOfRun) -> list[retrieval.SourceSwitch]:
    """Sources that the data switch on or off: those of which the settings name nothing.

    None where a tuned config is adopted: its sources were weighed together.
    """
    if adopted_changes(run.platform.home.artifacts):
        return []
    named = run.platform.settings.retrieval.sources
    return [each for each in retrieval.source_switches(measured_facts(run)) if each.source not in named]


def _popularity_fields(half_life_days: float | None, finer: FinerTrial | None) -> dict[str, Any]:
    """Fields of the source `popularity` that say what was found best."""
    if finer is None:
        return {HALF_LIFE: half_life_days}
    if finer.by == CATEGORY:
        return {HALF_LIFE: half_life_days, "category_half_lives_days": dict(finer.category_half_lives_days)}
    return {
        HALF_LIFE: half_life_days,
        "within": finer.by,
        "within_half_life_days": finer.half_life_days,
        "within_share": finer.own_share,
    }


def _fading(
    platform: Platform, named: retrieval.RetrievalConfig, popularity: Mapping[str, Any]
) -> retrieval.RetrievalConfig:
    """The config with that popularity; a group's in the other source, which adds up several, is never for ever."""
    changed: dict[str, Mapping[str, Any]] = {POPULARITY: popularity}
    half_life: float | None = popularity[HALF_LIFE]
    if half_life is not None and HALF_LIFE not in _named_fields(platform, GROUP_POPULARITY):
        slowest: float = named.sources[GROUP_POPULARITY].model_dump()[HALF_LIFE]
        changed[GROUP_POPULARITY] = {HALF_LIFE: min(slowest, half_life)}
    return named.with_sources(changed)


def _named_fields(platform: Platform, source: str) -> set[str]:
    """Parameters of a source that the settings or the adopted config name."""
    adopted = adopted_changes(platform.home.artifacts).get(source, {})
    return {*platform.settings.retrieval.sources.get(source, {}), *adopted}


def retrieval_config(platform: Platform) -> retrieval.RetrievalConfig:
    """What the settings say of retrieval, else the adopted tuned config, else the stage's defaults, field by field.

    Raises UsageError naming what is wrong in the settings, NotReady where the adopted config is missing or cannot be
    used.
    """
    return config_with(platform, adopted_changes(platform.home.artifacts))


def config_with(platform: Platform, tuned: Mapping[str, Mapping[str, Any]]) -> retrieval.RetrievalConfig:
    """What the settings say of retrieval, else `tuned` fields by source, else the stage's defaults. Errors as above."""
    settings = platform.settings
    asked = settings.retrieval.model_dump(exclude={"vectors", "blocked_items", "blocked_creators"})
    asked["quotas"] = {source.name: KEPT_OF_EACH for source in retrieval.SOURCES} | asked["quotas"]
    if settings.retrieval.vectors is not None:
        asked["sources"] = {**asked["sources"], VECTORS: {"enabled": True, **asked["sources"].get(VECTORS, {})}}
    asked["sources"] = dict(tuned) | {name: {**tuned.get(name, {}), **own} for name, own in asked["sources"].items()}
    try:
        return retrieval.RetrievalConfig(candidates_per_source=settings.candidates_per_source, **asked)
    except ValidationError as error:
        names, fault = _fault(error)
        raise UsageError(f"{setting_place(platform.home.settings_file, names)}: {fault}") from None


def _fault(error: ValidationError) -> tuple[tuple[str, ...], str]:
    """The dotted name, and the field with its value and range; a source's own config describes its fields."""
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    # Positions in a tuple and pydantic's mark of a key are no names of the file.
    names = tuple(part for part in first["loc"] if isinstance(part, str) and part != "[key]")
    config: type[BaseModel] = retrieval.RetrievalConfig
    above: tuple[str, ...] = ("retrieval",)
    by_name = {source.name: type(source.config) for source in retrieval.SOURCES}
    if len(names) > 1 and names[0] == "sources" and names[1] in by_name:
        config, above, names = by_name[names[1]], (*above, *names[:2]), names[2:]
    return (*above, *names), ".".join(above) + "." + sentence({**first, "loc": names}, config)


def check_retrieval_settings(platform: Platform) -> None:
    """Raise UsageError naming what the settings say wrongly of retrieval, before anything is read or built."""
    config_with(platform, {})


def encode(
    run: AsOfRun, interactions: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, geo: GeoAvailability
) -> retrieval.RetrievalProblem:
    """Interactions, users with consent and items as codes, as of the run's instant, under the home's settings."""
    return retrieval.encode(
        interactions,
        users,
        items,
        as_of=run.as_of,
        allow_repeats=run.platform.settings.allow_repeats,
        vectors=run.known.once("item vectors", lambda: item_vectors(run.platform)),
        user_regions=geo.user_regions,
        exclusions=geo.exclusions,
    )


def history_problem(run: AsOfRun) -> retrieval.RetrievalProblem:
    """What vectors are fitted on and indexed by: no features, no segments, so that the as-of need not be built."""

    def make() -> retrieval.RetrievalProblem:
        return encode(run, run.interactions, with_consent(run.users), run.items, run_geo_availability(run))

    return run.once(_PROBLEM, make)


def read_problem(run: AsOfRun) -> None:
    """Read the `history_problem` of a run that asks for nothing else: each table is computed once, and none is kept."""

    def make() -> retrieval.RetrievalProblem:
        with run.models(scratch=True) as models:
            interactions, users, items = (models.frame(name) for name in (INTERACTIONS, USERS, ITEMS))
            geo = read_geo_availability(models)
        return encode(run, interactions, with_consent(users), items, geo)

    run.once(_PROBLEM, make)


def profiled_problem(run: AsOfRun) -> retrieval.RetrievalProblem:
    """The same with the users' segments in their profiles, which are read from the lake as of the instant."""

    def make() -> retrieval.RetrievalProblem:
        with run.models() as models:
            return history_problem(run).with_profiles(with_profiles(models, with_consent(run.users)))

    return run.once("retrieval problem with profiles", make)


def item_vectors(platform: Platform) -> pl.DataFrame | None:
    """The operator's own item vectors, where the settings name a file of them."""
    path = _vectors_file(platform)
    return None if path is None else retrieval.read_vectors(path)


def vectors_version(platform: Platform) -> str | None:
    """SHA-256 of that file; None without one."""
    path = _vectors_file(platform)
    return None if path is None else hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def _vectors_file(platform: Platform) -> Path | None:
    named = platform.settings.retrieval.vectors
    return None if named is None else platform.home.root / named


def with_consent(users: pl.DataFrame) -> pl.DataFrame:
    """Users whom something may be learned about: rows of staging.stg_users less those who opted out."""
    return users.filter(~pl.col(IS_OPTED_OUT))


def with_profiles(models: ModelRun, users: pl.DataFrame) -> pl.DataFrame:
    """Users, who have the device and region they use most, with their lifecycle segment."""
    segments = models.frame(USER_SEGMENTS, [c.USER_ID, c.SEGMENT_ID])
    return users.join(segments, on=c.USER_ID, how="left", maintain_order="left")
