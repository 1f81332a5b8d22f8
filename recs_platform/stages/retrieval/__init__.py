"""Retrieval: from interactions as of an instant to a few hundred candidates a user. Ranking them is not done here."""

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import fit_embeddings, load_embeddings, save_embeddings
from recs_platform.stages.retrieval.fit import (
    RetrievalFit,
    candidates_contract,
    fit_retrieval,
    generate_candidates,
    item_neighbours,
    source_features,
)
from recs_platform.stages.retrieval.index import build_index, load_index, save_index
from recs_platform.stages.retrieval.problem import RetrievalProblem, encode
from recs_platform.stages.retrieval.sources import SOURCES

__all__ = [
    "SOURCES",
    "RetrievalConfig",
    "RetrievalFit",
    "RetrievalProblem",
    "build_index",
    "candidates_contract",
    "encode",
    "fit_embeddings",
    "fit_retrieval",
    "generate_candidates",
    "item_neighbours",
    "load_embeddings",
    "load_index",
    "save_embeddings",
    "save_index",
    "source_features",
]
