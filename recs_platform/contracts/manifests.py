"""Manifests of sealed artifacts: what an index, ranker or release was made from. Writing them is the lake's work."""

import hashlib
import json
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

Metrics = dict[str, float]


class Manifest(BaseModel):
    """What a sealed artifact was made from; `version` is the name of its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    as_of: AwareDatetime
    known_at: AwareDatetime
    data_version: str
    feature_set_hash: str | None = None
    seed: int
    parameters: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    metrics: Metrics = {}
    libraries: dict[str, str] = {}
    sealed_at: AwareDatetime


def content_key(payload: dict[str, Any]) -> str:
    """Hex digest (16 characters) of a JSON-like payload, the same whatever the order of its keys.

    >>> content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=_plain).encode()).hexdigest()[:16]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"not part of a key: {type(value).__name__}")
