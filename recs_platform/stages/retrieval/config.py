"""What an operator may choose about retrieval as a whole. Parameters of one source sit beside that source."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from recs_platform.stages.retrieval.embeddings import ALSConfig
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.base import Source, SourceConfig


class RetrievalConfig(BaseModel):
    """Groups what retrieval is configured by; `sources` holds one config a registered source, defaults filled in.

    `RetrievalConfig(sources={"trending": {"half_life_days": 1}})` changes one field of one source.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates_per_source: Annotated[int, Field(ge=1, le=1000, description="items a source offers a user")] = 50
    rank_constant: Annotated[
        int, Field(ge=1, le=1000, description="k of reciprocal-rank fusion: larger trusts top ranks less")
    ] = 60
    embeddings: ALSConfig = ALSConfig()
    sources: dict[str, SerializeAsAny[SourceConfig]] = {}

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: dict[str, object]) -> dict[str, object]:
        chosen = cast("Mapping[str, object]", given.get("sources", {}))
        unknown = sorted(set(chosen) - {source.name for source in SOURCES})
        if unknown:
            raise ValueError(f"unknown sources {unknown}; known: {[source.name for source in SOURCES]}")
        configs = {source.name: type(source.config).model_validate(chosen.get(source.name, {})) for source in SOURCES}
        return {**given, "sources": configs}

    def configured_sources(self) -> tuple[Source, ...]:
        """The registered sources, in order, each with its config from here."""
        return tuple(replace(cast("Any", source), config=self.sources[source.name]) for source in SOURCES)
