"""Retrieval: from interactions as of an instant to a few hundred candidates a user. `stages.ranking` orders them."""

from recs_platform.stages.retrieval.candidates import (
    candidate_rows,
    candidates_contract,
    generate_candidates,
    item_neighbours,
    merged_blocks,
    source_features,
)
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import (
    Embeddings,
    VectorSpace,
    index_embeddings,
    load_embeddings,
    positions_of,
    refresh_vector_space,
    save_embeddings,
)
from recs_platform.stages.retrieval.fit import RetrievalFit, fit_embeddings, fit_retrieval
from recs_platform.stages.retrieval.folding import fold_embeddings, last_full_fit
from recs_platform.stages.retrieval.index import (
    IndexReport,
    ItemIndex,
    audit_failures,
    audited,
    kind_for,
    load_index,
    load_report,
    save_index,
)
from recs_platform.stages.retrieval.merge import MergedLists, similarities
from recs_platform.stages.retrieval.offer_counts import OfferCounts
from recs_platform.stages.retrieval.problem import RetrievalProblem, encode
from recs_platform.stages.retrieval.retrieve import retrieve_source
from recs_platform.stages.retrieval.source_rules import SourceSwitch, source_switches
from recs_platform.stages.retrieval.sources import SIMPLE_SOURCES, SOURCES
from recs_platform.stages.retrieval.sources.base import VectorSource
from recs_platform.stages.retrieval.vector_files import read_vectors

__all__ = [
    "SIMPLE_SOURCES",
    "SOURCES",
    "Embeddings",
    "IndexReport",
    "ItemIndex",
    "MergedLists",
    "OfferCounts",
    "RetrievalConfig",
    "RetrievalFit",
    "RetrievalProblem",
    "SourceSwitch",
    "VectorSource",
    "VectorSpace",
    "audit_failures",
    "audited",
    "candidate_rows",
    "candidates_contract",
    "encode",
    "fit_embeddings",
    "fit_retrieval",
    "fold_embeddings",
    "generate_candidates",
    "index_embeddings",
    "item_neighbours",
    "kind_for",
    "last_full_fit",
    "load_embeddings",
    "load_index",
    "load_report",
    "merged_blocks",
    "positions_of",
    "read_vectors",
    "refresh_vector_space",
    "retrieve_source",
    "save_embeddings",
    "save_index",
    "similarities",
    "source_features",
    "source_switches",
]
