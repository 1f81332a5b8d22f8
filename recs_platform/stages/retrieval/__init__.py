"""Retrieval: from interactions as of an instant to a few hundred candidates a user. Ranking them is not done here."""

from recs_platform.stages.retrieval.candidates import (
    candidates_contract,
    generate_candidates,
    item_neighbours,
    source_features,
)
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import (
    Embeddings,
    Space,
    index_embeddings,
    load_embeddings,
    save_embeddings,
)
from recs_platform.stages.retrieval.fit import RetrievalFit, fit_embeddings, fit_retrieval
from recs_platform.stages.retrieval.index import (
    IndexReport,
    ItemIndex,
    audit_failures,
    audited,
    load_index,
    load_report,
    save_index,
)
from recs_platform.stages.retrieval.problem import RetrievalProblem, encode
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.vector_files import read_vectors

__all__ = [
    "SOURCES",
    "Embeddings",
    "IndexReport",
    "ItemIndex",
    "RetrievalConfig",
    "RetrievalFit",
    "RetrievalProblem",
    "Space",
    "audit_failures",
    "audited",
    "candidates_contract",
    "encode",
    "fit_embeddings",
    "fit_retrieval",
    "generate_candidates",
    "index_embeddings",
    "item_neighbours",
    "load_embeddings",
    "load_index",
    "load_report",
    "read_vectors",
    "save_embeddings",
    "save_index",
    "source_features",
]
