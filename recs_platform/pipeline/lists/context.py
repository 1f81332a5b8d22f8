"""The context of re-ranking: the catalogue, what is excluded for whom, and the settings of lists."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.pipeline.geo_availability import GeoAvailability
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import reranking

# Rows of a user that re-ranking chooses from; `serving.candidates` of them, or more, are scored and stored.
RANKED_PER_USER = 50


def rerank_context(
    platform: Platform,
    items: pl.DataFrame,
    consumed: pl.DataFrame,
    users: pl.Series,
    geo: GeoAvailability,
    facts: reranking.RuleFacts | None = None,
) -> reranking.RerankContext:
    """What rules and fallback look at; `items` come with user counts, which order the fallback ranking.

    `facts`: what the rules of the settings look at; without them those hold that ask for none.
    """
    settings, facts = platform.settings, facts or reranking.RuleFacts()
    return reranking.RerankContext(
        items=items,
        consumed=consumed,
        users=users,
        fallback=items.select(c.ITEM_ID, pl.col(c.USER_COUNT).cast(pl.Float64).alias(c.SCORE)),
        k=settings.k,
        max_per_category=settings.max_per_category,
        diversity=settings.diversity,
        allow_repeats=settings.allow_repeats,
        user_regions=geo.user_regions,
        exclusions=geo.exclusions,
        rules=settings.rules,
        facts=facts,
        hidden=reranking.hidden_pairs(settings.rules, facts, items),
        threads=settings.threads,
    )
