"""What an operator may choose about retrieval as a whole. Parameters of one source sit beside that source.

The fields that are settings of the home stand in `contracts.shared_settings`; here is what only retrieval can check.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, SerializeAsAny, create_model, field_validator

from recs_platform.contracts.shared_settings import RetrievalPlan, SourceDepth
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.stages.retrieval.index import IndexConfig
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.base import Source, SourceConfig, VectorSource
from recs_platform.stages.retrieval.sources.vectors import Vectors

# All sources' configs as one model, so that what is wrong in one is named with its source.
_Configs = create_model(
    "_Configs", **cast("Any", {source.name: (type(source.config), source.config) for source in SOURCES})
)


def _refuse_unknown(names: Iterable[str]) -> None:
    unknown = sorted(set(names) - {source.name for source in SOURCES})
    if unknown:
        known = [source.name for source in SOURCES]
        raise ValueError(f"unknown sources {unknown}{did_you_mean(str(unknown[0]), known) or f'; known: {known}'}")


def _known_name(name: str) -> str:
    _refuse_unknown([name])
    return name


SourceName = Annotated[str, AfterValidator(_known_name)]


class RetrievalConfig(RetrievalPlan[SourceName], SourceDepth):
    """The operator's plan with known sources; `sources` holds one config a registered source, defaults filled in.

    `RetrievalConfig(sources={"trending": {"half_life_days": 1}})` changes one field of one source.
    """

    index: IndexConfig = IndexConfig()
    sources: Annotated[dict[str, SerializeAsAny[SourceConfig]], Field(validate_default=True)] = {}  # noqa: RUF012

    @field_validator("sources", mode="before")
    @classmethod
    def _fill_in(cls, chosen: Mapping[str, Mapping[str, object]]) -> dict[str, SourceConfig]:
        _refuse_unknown(chosen)
        filled = {source.name: {**source.config.model_dump(), **chosen.get(source.name, {})} for source in SOURCES}
        return dict(_Configs.model_validate(filled))

    def configured_sources(self) -> tuple[Source, ...]:
        """The enabled ones of the registered sources, in order, each with its config from here."""
        return self._configured([source.name for source in SOURCES if self.sources[source.name].enabled])

    def cold_groups(self, *, own_vectors: bool = True) -> tuple[tuple[Source, ...], ...]:
        """The groups that cold users are offered items of, in order; none where nobody is cold.

        Sources with vectors that are off go by a user's positives alone, so they are left out where cold users have
        none, and `vectors` where there are none of the operator's own.
        """
        if self.cold.positives_max is None:
            return ()
        silent = {
            source.name
            for source in SOURCES
            if isinstance(source, VectorSource)
            and not self.sources[source.name].enabled
            and (not self.cold.positives_max or (source.name == Vectors().name and not own_vectors))
        }
        return tuple(self._configured([name for name in group if name not in silent]) for group in self.cold.order)

    def fitted_sources(self, *, own_vectors: bool = True) -> tuple[Source, ...]:
        """Those whose vectors must be there: the enabled ones, and those that only cold users are offered items of."""
        cold = [source.name for group in self.cold_groups(own_vectors=own_vectors) for source in group]
        return self._configured([*cold, *(source.name for source in self.configured_sources())])

    def _configured(self, names: Collection[str]) -> tuple[Source, ...]:
        return tuple(
            replace(cast("Any", source), config=self.sources[source.name]) for source in SOURCES if source.name in names
        )

    def with_sources(self, changes: Mapping[str, Mapping[str, object]]) -> "RetrievalConfig":
        """A copy with some fields of some sources changed, checked like any other."""
        sources = {name: {**config.model_dump(), **changes.get(name, {})} for name, config in self.sources.items()}
        _refuse_unknown(changes)
        return RetrievalConfig.model_validate({**self.model_dump(), "sources": sources})
