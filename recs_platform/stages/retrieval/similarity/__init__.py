"""How alike candidates are to what their users liked last."""

from recs_platform.stages.retrieval.similarity.history import history_similarity

__all__ = ["history_similarity"]
