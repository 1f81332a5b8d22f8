"""Variants of one source asked for lists of held-out users, and what the lists are worth. Chooses no variant."""

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
from recs_platform.stages.retrieval.tuning.validation import HeldOut, Pool, join_pools, pool_lists

FACTORS = "factors"
_CONFIG = RetrievalConfig()


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """One instant: `problem` is what is known, `held_out` what came next."""

    problem: RetrievalProblem
    held_out: HeldOut


class SourceBench:
    """Variants of one source, which share what they prepare where they can: a spectrum has the most `factors` asked.

    What at most `remembered` variants that fit differently have prepared is kept, all of it where None. One thread:
    sources are tried side by side.
    """

    def __init__(
        self, validations: Sequence[ValidationSet], *, factors: int, seed: int, remembered: int | None = None
    ) -> None:
        self._validations, self._factors, self._seed, self._remembered = tuple(validations), factors, seed, remembered
        self._fits: dict[str, list[RetrievalFit]] = {}
        self._spectra: dict[int, tuple[tuple[float, float], Spectrum]] = {}

    def lists(self, source: Source, n: int) -> list[SourceLists]:
        """What the source offers the held-out users, at most `n` items each, by validation."""
        fits = self._fits_of(source)
        return [
            source.retrieve(fit, validation.held_out.users, n)
            for fit, validation in zip(fits, self._validations, strict=True)
        ]

    def _fits_of(self, source: Source) -> list[RetrievalFit]:
        if isinstance(source, VectorSource):
            return [self._embedded(source, place) for place in range(len(self._validations))]
        key = source.config.fit_key()
        fits = self._fits.pop(key, None) or [self._fit(validation.problem, {}) for validation in self._validations]
        self._fits[key] = fits
        while self._remembered is not None and len(self._fits) > self._remembered:
            del self._fits[next(iter(self._fits))]
        return fits

    def _embedded(self, source: VectorSource, place: int) -> RetrievalFit:
        problem = self._validations[place].problem
        return self._fit(problem, {source.name: index_embeddings(problem, self._embed(source, place))})

    def _fit(self, problem: RetrievalProblem, spaces: Mapping[str, Any]) -> RetrievalFit:
        return RetrievalFit(problem, spaces, _CONFIG, self._seed, threads=1)

    def _embed(self, source: VectorSource, place: int) -> Embeddings:
        problem, seed = self._validations[place].problem, self._seed
        if not isinstance(source, Spectral):
            return source.embed(problem, seed=seed, threads=1)
        key = (source.config.user_exponent, source.config.item_exponent)
        if place not in self._spectra or self._spectra[place][0] != key:
            config = source.config.model_copy(update={FACTORS: self._factors})
            self._spectra[place] = (key, fit_spectrum(problem, config, seed=seed, threads=1))
        return self._spectra[place][1].embeddings(source.config)


def pool_validation_sets(validations: Sequence[ValidationSet], lists: Mapping[str, Sequence[SourceLists]]) -> Pool:
    """Lists of each source by validation, put side by side; a user of two validations counts as two."""
    return join_pools(
        [
            pool_lists(validation.problem, validation.held_out, {name: found[place] for name, found in lists.items()})
            for place, validation in enumerate(validations)
        ]
    )


def values_alone(validations: Sequence[ValidationSet], lists: Sequence[SourceLists], k: int) -> NDArray[np.float64]:
    """Mean of recall@k and NDCG@k of each held-out user of all validations (n,), of the lists of one source."""
    return pool_validation_sets(validations, {"": lists}).values({"": 1.0}, k)


def with_parameters(source: Source, parameters: Mapping[str, Any]) -> Source:
    """The source with some parameters changed, checked like any other."""
    config = type(source.config).model_validate({**source.config.model_dump(), **parameters})
    return cast("Source", replace(cast("Any", source), config=config))
