"""The registry of candidate sources: one module and one line each. Merging their lists is not done here."""

from recs_platform.stages.retrieval.sources.als import ALS
from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.sources.item_knn import ItemKnn
from recs_platform.stages.retrieval.sources.popularity import Popularity
from recs_platform.stages.retrieval.sources.transitions import Transitions
from recs_platform.stages.retrieval.sources.trending import Trending

SOURCES: tuple[Source, ...] = (ALS(), ItemKnn(), Transitions(), Popularity(), Trending())
