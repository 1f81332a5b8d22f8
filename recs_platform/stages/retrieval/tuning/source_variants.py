"""Variants of one source fitted on validation sets: their lists for held-out users, and the value of the lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Source, SourceLists, VectorSource
from recs_platform.stages.retrieval.sources.spectral import Spectral, Spectrum, fit_spectrum
from recs_platform.stages.retrieval.tuning.ranges import FACTORS
from recs_platform.stages.retrieval.tuning.validation import HeldOut, Pool, join_pools, pool_lists

_CONFIG = RetrievalConfig()


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """One instant: `problem` is what is known, `held_out` what came next."""

    problem: RetrievalProblem
    held_out: HeldOut


class SourceVariants:
    """Variants of one source, which share what they prepare where they can: a spectrum has the most `factors` asked.

    Only what the variant before has prepared is kept: variants that fit alike share it where they are tried one after
    the other. One thread: sources are tried side by side.
    """

    def __init__(self, validation_sets: Sequence[ValidationSet], *, factors: int, seed: int) -> None:
        self._validation_sets, self._factors, self._seed = tuple(validation_sets), factors, seed
        self._fits_key, self._fits = "", list[RetrievalFit]()
        self._spectra: dict[int, tuple[tuple[float, float], Spectrum]] = {}

    def lists(self, source: Source, n: int) -> list[SourceLists]:
        """What the source offers the held-out users, at most `n` items each, by validation."""
        fits = self._fits_of(source)
        return [
            source.retrieve(fit, validation.held_out.users, n)
            for fit, validation in zip(fits, self._validation_sets, strict=True)
        ]

    def _fits_of(self, source: Source) -> list[RetrievalFit]:
        if isinstance(source, VectorSource):
            return [self._embedded(source, number) for number in range(len(self._validation_sets))]
        if source.config.fit_key() != self._fits_key:
            self._fits_key = source.config.fit_key()
            self._fits = [self._fit(each.problem, {}) for each in self._validation_sets]
        return self._fits

    def _embedded(self, source: VectorSource, number: int) -> RetrievalFit:
        problem = self._validation_sets[number].problem
        return self._fit(problem, {source.name: index_embeddings(problem, self._embed(source, number))})

    def _fit(self, problem: RetrievalProblem, spaces: Mapping[str, Any]) -> RetrievalFit:
        return RetrievalFit(problem, spaces, _CONFIG, self._seed, threads=1)

    def _embed(self, source: VectorSource, number: int) -> Embeddings:
        problem, seed = self._validation_sets[number].problem, self._seed
        if not isinstance(source, Spectral):
            return source.embed(problem, seed=seed, threads=1)
        key = (source.config.user_exponent, source.config.item_exponent)
        if number not in self._spectra or self._spectra[number][0] != key:
            config = source.config.model_copy(update={FACTORS: self._factors})
            self._spectra[number] = (key, fit_spectrum(problem, config, seed=seed, threads=1))
        return self._spectra[number][1].embeddings(source.config)


def pool_validation_sets(validation_sets: Sequence[ValidationSet], lists: Mapping[str, Sequence[SourceLists]]) -> Pool:
    """Lists of each source by validation, put side by side; a user of two validation sets counts as two."""
    return join_pools(
        [
            pool_lists(validation.problem, validation.held_out, {name: found[number] for name, found in lists.items()})
            for number, validation in enumerate(validation_sets)
        ]
    )


def values_alone(validation_sets: Sequence[ValidationSet], lists: Sequence[SourceLists], k: int) -> NDArray[np.float64]:
    """Mean of recall@k and NDCG@k of each held-out user of all validation sets (n,), of the lists of one source."""
    return pool_validation_sets(validation_sets, {"": lists}).values({"": 1.0}, k)


def with_parameters(source: Source, parameters: Mapping[str, Any]) -> Source:
    """The source with some parameters changed, checked like any other."""
    config = type(source.config).model_validate({**source.config.model_dump(), **parameters})
    return cast("Source", replace(cast("Any", source), config=config))
