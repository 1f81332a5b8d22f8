"""The registry of candidate sources: one module and one line each. `merge` merges their lists."""

from recs_platform.stages.retrieval.sources.als import ALS
from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.sources.content import Content, ContentConfig
from recs_platform.stages.retrieval.sources.covisitation import Covisitation, CovisitationConfig
from recs_platform.stages.retrieval.sources.group_popularity import GroupPopularity, GroupPopularityConfig
from recs_platform.stages.retrieval.sources.item_knn import ItemKnn
from recs_platform.stages.retrieval.sources.new_items import NewItems
from recs_platform.stages.retrieval.sources.ngrams import NGrams, NGramsConfig
from recs_platform.stages.retrieval.sources.popularity import Popularity
from recs_platform.stages.retrieval.sources.profiles import Profiles
from recs_platform.stages.retrieval.sources.spectral import Spectral
from recs_platform.stages.retrieval.sources.transitions import Transitions
from recs_platform.stages.retrieval.sources.trending import Trending, TrendingConfig
from recs_platform.stages.retrieval.sources.two_step import TwoStep, TwoStepConfig
from recs_platform.stages.retrieval.sources.user_knn import UserKnn
from recs_platform.stages.retrieval.sources.vectors import Vectors, VectorsConfig
from recs_platform.stages.retrieval.sources.vs_knn import VSKnn

# One order for everybody, or for a whole group: what anything personal has to beat.
SIMPLE_SOURCES = ("popularity", "trending", "trending_1d", "trending_3h", "group_popularity", "new_items")
# Those that are off added little to the others on the data sets tried; a split or a catalogue of one's own may differ.
SOURCES: tuple[Source, ...] = (
    ALS(),
    Spectral(),
    ItemKnn(),
    Transitions(),
    TwoStep(config=TwoStepConfig(enabled=False)),
    Covisitation(config=CovisitationConfig(enabled=False)),
    UserKnn(),
    VSKnn(),
    NGrams(config=NGramsConfig(enabled=False)),
    Content(config=ContentConfig(enabled=False)),
    Profiles(),
    Vectors(config=VectorsConfig(enabled=False)),
    Popularity(),
    Trending(),
    Trending("trending_1d", TrendingConfig(half_life_days=1)),
    Trending("trending_3h", TrendingConfig(half_life_days=3 / 24, enabled=False)),
    # At its full weight it took more from hidden users of one data set than it gave to those of another.
    GroupPopularity(config=GroupPopularityConfig(enabled=False, weight=0.25)),
    NewItems(),
)
