"""What is in force: each setting with its value, its default, and who gives it. How it is printed is the cli's work."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import BaseModel

from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import VECTORS, config_with
from recs_platform.pipeline.retrieval.tuned_configs import adopted_changes, adopted_version
from recs_platform.settings import SettingOrigins, Settings
from recs_platform.stages import retrieval

DEFAULT = "default"
_HOME, _RETRIEVAL, _SOURCES = "home", "retrieval", "sources"
Path = tuple[str, ...]


@dataclass(frozen=True)
class SettingInForce:
    """A setting by its dotted name; `origin` is `default`, `recs.toml:3`, a variable, or `tuned` with the version."""

    name: str
    value: object
    default: object
    origin: str
    reason: str


def settings_in_force(platform: Platform) -> list[SettingInForce]:
    """All settings; those of retrieval as it works with them: quotas by source, parameters of each source.

    Raises UsageError or NotReady where the settings or the adopted config cannot be used.
    """
    tuned = adopted_changes(platform.home.artifacts)
    defaults = {path: value for path, value, _ in _values(_with_defaults(platform), {})}
    origins = _Origins(platform, tuned)
    return [
        SettingInForce(".".join(path), value, defaults.get(path), origins.of(path), reason)
        for path, value, reason in _values(platform, tuned)
    ]


def _with_defaults(platform: Platform) -> Platform:
    return replace(platform, settings=Settings.model_construct())


def _values(platform: Platform, tuned: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Path, object, str]]:
    """Name, value and reason of each setting; values of retrieval are those of its config."""
    effective = config_with(platform, tuned)
    for path, value, reason in _leaves(platform.settings, ()):
        if path[0] != _RETRIEVAL:
            yield path, value, reason
    for name, field in type(platform.settings.retrieval).model_fields.items():
        holder = effective if name in retrieval.RetrievalConfig.model_fields else platform.settings.retrieval
        yield from _below(getattr(holder, name), (_RETRIEVAL, name), field.description or "")


def _leaves(group: BaseModel, above: Path) -> Iterator[tuple[Path, object, str]]:
    for name, field in type(group).model_fields.items():
        yield from _below(getattr(group, name), (*above, name), field.description or "")


def _below(value: object, path: Path, reason: str) -> Iterator[tuple[Path, object, str]]:
    """The settings that a value holds; an empty group is one itself."""
    if isinstance(value, BaseModel):
        yield from _leaves(value, path)
    elif isinstance(value, Mapping) and value:
        for name, part in cast("Mapping[str, object]", value).items():
            yield from _below(part, (*path, name), reason)
    else:
        yield path, value, reason


class _Origins:
    """Who gives a setting, in the order of their say: environment, file, tuned config, default."""

    def __init__(self, platform: Platform, tuned: Mapping[str, Mapping[str, Any]]) -> None:
        self._file = platform.home.settings_file
        self._given = SettingOrigins(self._file)
        self._tuned, self._version = tuned, adopted_version(platform.home.artifacts)
        self._has_vectors = platform.settings.retrieval.vectors is not None

    def of(self, path: Path) -> str:
        origin = self._given.origin(path)
        # A recs.toml that names a home is not asked.
        if isinstance(origin, int) and path != (_HOME,):
            return f"{self._file.name}:{origin}"
        if isinstance(origin, str):
            return origin
        if self._has_vectors and path == (_RETRIEVAL, _SOURCES, VECTORS, "enabled"):
            return self.of((_RETRIEVAL, VECTORS))
        if path[:2] == (_RETRIEVAL, _SOURCES) and path[3] in self._tuned.get(path[2], {}):
            return f"tuned {self._version}"
        return DEFAULT
