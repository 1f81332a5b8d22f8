"""What retrieval is given: its config, users with profiles, the operator's vectors. Nothing is fitted here."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.defs.platform import Platform
from recs_platform.defs.tuned_configs import adopted_changes
from recs_platform.stages import retrieval
from recs_platform.warehouse.runner import ModelRun

IS_WITHHELD = "is_withheld"
VECTORS = "vectors"
# The best of each source stay candidates: the ranker sees them, and evaluation can tell what the source alone does.
KEPT_OF_EACH = 10


def retrieval_config(platform: Platform) -> retrieval.RetrievalConfig:
    """What the settings say of retrieval, else the adopted tuned config, else the stage's defaults, field by field.

    What is adopted is read at each call; it changes only while no as-of is built. Raises UsageError naming what is
    wrong in the settings, NotReady where the adopted config is missing or cannot be used.
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
        first = error.errors()[0]
        # Places in a tuple and pydantic's mark of a key are no names of the file.
        names = [part for part in first["loc"] if isinstance(part, str) and part != "[key]"]
        field = ".".join(["retrieval", *names])
        raise UsageError(f"setting {field!r} is wrong: {first['msg']} (in recs.toml)") from None


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
    """Users whom something may be learned about: rows of staging.stg_users less those of the withheld."""
    return users.filter(~pl.col(IS_WITHHELD))


def with_profiles(run: ModelRun, users: pl.DataFrame) -> pl.DataFrame:
    """Users with the device and region they use most and their lifecycle segment."""
    features = run.frame("features.user_features", [c.USER_ID, c.REGION, "top_device"])
    segments = run.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID])
    return (
        users.drop(c.REGION)
        .join(features, on=c.USER_ID, how="left", maintain_order="left")
        .join(segments, on=c.USER_ID, how="left", maintain_order="left")
    )
