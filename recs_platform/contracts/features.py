"""The feature set: which columns the ranker reads, in which order, under which hash."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass

from recs_platform.contracts.errors import FeatureMismatch


@dataclass(frozen=True)
class Feature:
    """One column the ranker reads; `table` is empty for columns that candidates bring themselves."""

    name: str
    dtype: str
    table: str


@dataclass(frozen=True)
class FeatureSet:
    """Ordered features; two sets are the same when their hashes are."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def hash(self) -> str:
        """Hex digest (16 characters) of names and types in order."""
        text = json.dumps([[feature.name, feature.dtype] for feature in self.features])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def require_in(self, columns: Collection[str], where: str) -> None:
        """Raise FeatureMismatch unless every feature is among `columns`."""
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise FeatureMismatch(
                f"ranker expects {len(self.names)} features, {where} lacks {missing}; materialize `features` first"
            )
