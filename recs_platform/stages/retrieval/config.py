"""What an operator may choose about retrieval as a whole. Parameters of one source sit beside that source."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from recs_platform.stages.retrieval.index import IndexConfig
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.base import Source, SourceConfig

Quota = Annotated[int, Field(ge=0, le=1000)]


class SegmentPlan(BaseModel):
    """What is different for the users of one segment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    off: Annotated[tuple[str, ...], Field(description="sources these users are not offered items of")] = ()
    quotas: Annotated[
        dict[str, Quota], Field(description="best items of a source that stay candidates wherever the merge puts them")
    ] = {}


class ColdPlan(BaseModel):
    """A switching hybrid (Burke 2002) for users of whom little is known: the first sources that fill a list are taken.

    `order`: groups of sources. A later group is asked only for users whom the earlier ones offer fewer than
    `candidates_per_source` items together; sources that are off for the others are asked here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    positives_max: Annotated[
        int | None, Field(ge=0, le=1000, description="users with at most so many positives are cold; None = nobody is")
    ] = 0
    order: Annotated[tuple[tuple[str, ...], ...], Field(description="groups of sources, the first that is asked")] = (
        ("content", "profiles", "vectors"),
        ("group_popularity",),
        ("popularity", "trending", "trending_1d", "new_items"),
    )


class RetrievalConfig(BaseModel):
    """Groups what retrieval is configured by; `sources` holds one config a registered source, defaults filled in.

    `RetrievalConfig(sources={"trending": {"half_life_days": 1}})` changes one field of one source.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates_per_source: Annotated[int, Field(ge=1, le=1000, description="items a source offers a user")] = 40
    candidates: Annotated[
        int | None, Field(ge=1, le=10_000, description="best of the merge that a user keeps; None = all")
    ] = 200
    quotas: Annotated[
        dict[str, Quota], Field(description="best items of a source that stay candidates wherever the merge puts them")
    ] = {}
    segments: Annotated[dict[str, SegmentPlan], Field(description="plans by segment_id of the lifecycle segments")] = {}
    cold: ColdPlan = ColdPlan()
    refit_every_days: Annotated[
        int | None,
        Field(ge=1, le=90, description="days between full fits of vectors; between them new events are folded in"),
    ] = None
    index: IndexConfig = IndexConfig()
    sources: dict[str, SerializeAsAny[SourceConfig]] = {}

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: dict[str, object]) -> dict[str, object]:
        chosen = cast("Mapping[str, object]", given.get("sources", {}))
        _refuse_unknown(chosen)
        configs = {source.name: _config_of(source, chosen.get(source.name, {})) for source in SOURCES}
        return {**given, "sources": configs}

    @model_validator(mode="after")
    def _check_names(self) -> "RetrievalConfig":
        _refuse_unknown([*self.quotas, *(name for group in self.cold.order for name in group)])
        for plan in self.segments.values():
            _refuse_unknown([*plan.off, *plan.quotas])
        return self

    def configured_sources(self) -> tuple[Source, ...]:
        """The enabled ones of the registered sources, in order, each with its config from here."""
        return tuple(
            replace(cast("Any", source), config=self.sources[source.name])
            for source in SOURCES
            if self.sources[source.name].enabled
        )

    def fitted_sources(self) -> tuple[Source, ...]:
        """Those whose vectors must be there: the enabled ones."""
        return self.configured_sources()

    def with_sources(self, changes: Mapping[str, Mapping[str, object]]) -> "RetrievalConfig":
        """A copy with some fields of some sources changed, checked like any other."""
        sources = {name: {**config.model_dump(), **changes.get(name, {})} for name, config in self.sources.items()}
        _refuse_unknown(changes)
        return RetrievalConfig.model_validate({**self.model_dump(), "sources": sources})


def _config_of(source: Source, given: object) -> SourceConfig:
    return type(source.config).model_validate({**source.config.model_dump(), **cast("dict[str, object]", given)})


def _refuse_unknown(names: Iterable[str]) -> None:
    unknown = sorted(set(names) - {source.name for source in SOURCES})
    if unknown:
        raise ValueError(f"unknown sources {unknown}; known: {[source.name for source in SOURCES]}")
