"""Reasons: one true sentence for each recommended item. Facts are found in `evidence`, lists made in `rerank`."""

import polars as pl

import recs_platform.stages.reranking.evidence as e
from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EventType
from recs_platform.stages.reranking.evidence import Evidence, find_evidence
from recs_platform.stages.reranking.popularity import group_popularity, item_popularity

__all__ = ["add_reasons", "group_popularity", "item_popularity"]

VERBS = {
    EventType.VIEW: "viewed",
    EventType.CLICK: "clicked",
    EventType.SCROLL: "read",
    EventType.PLAY: "played",
    EventType.LIKE: "liked",
    EventType.SHARE: "shared",
    EventType.COMMENT: "commented on",
    EventType.BOOKMARK: "bookmarked",
    EventType.FOLLOW: "followed",
    EventType.DOWNLOAD: "downloaded",
    EventType.RATING: "rated",
    EventType.CART_ADD: "put",
    EventType.PURCHASE: "bought",
    EventType.SUBSCRIBE: "subscribed to",
}

_BASIS_NAME = "_basis_name"


def add_reasons(
    lists: pl.DataFrame,
    *,
    history: pl.DataFrame,
    neighbours: pl.DataFrame,
    items: pl.DataFrame,
    users: pl.DataFrame,
    segment_popularity: pl.DataFrame,
    country_popularity: pl.DataFrame,
    popularity: pl.DataFrame,
    window_days: int = 28,
    users_min: int = e.USERS_MIN,
    keep_facts: bool = False,
) -> pl.DataFrame:
    """Say why each item is in the list, from the most personal fact that is true to the plainest.

    Args:
        lists: `user_id`, `item_id` and any other columns; one row a user and item.
        history: `user_id`, `item_id`, `event_type`, `occurred_us`, `weight`: interactions of the lists' users.
        neighbours: `item_id`, `neighbour_id`, `score`, `rank`.
        items: `item_id`, `title`, `category`, `published_at` (UTC), each possibly missing but the id; every item that
            the other frames name.
        users: `user_id`, `country`, `segment_id`, each possibly missing but the id.
        segment_popularity: `segment_id`, `item_id`, `user_count` within the window; see `group_popularity`.
        country_popularity: `country`, `item_id`, `user_count` within the window.
        popularity: `item_id`, `user_count` of all users over all time; see `item_popularity`.
        window_days: Length of the window in days.
        users_min: Fewer users are not counted aloud and make nothing popular.
        keep_facts: Also keep `reason_kind` and the facts the reason names.

    Returns:
        `lists` in its order with `reason` (String, never missing). Numbers count users with a positive interaction;
        a neighbour is named by its title, or by its id where it has none.
    """
    found = find_evidence(
        lists,
        Evidence(history, neighbours, items, users, segment_popularity, country_popularity, popularity),
        users_min,
    )
    reasoned = _with_basis_name(found, items).with_columns(_sentence(window_days).alias(c.REASON)).drop(_BASIS_NAME)
    return reasoned if keep_facts else reasoned.select(*lists.columns, c.REASON)


def _with_basis_name(facts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    titles = items.select(pl.col(c.ITEM_ID).alias(e.BASIS_ITEM_ID), pl.col(c.TITLE).alias(_BASIS_NAME))
    return facts.join(titles, on=e.BASIS_ITEM_ID, how="left", maintain_order="left").with_columns(
        pl.coalesce(_BASIS_NAME, e.BASIS_ITEM_ID).alias(_BASIS_NAME)
    )


def _sentence(window_days: int) -> pl.Expr:
    event = pl.col(e.BASIS_EVENT_TYPE)
    verb = event.replace_strict({str(event): verb for event, verb in VERBS.items()}, default="chose")
    place = pl.when(event == EventType.CART_ADD).then(pl.lit(" in your cart")).otherwise(pl.lit(""))
    window = f"in the last {window_days} days"
    return (
        pl.when(pl.col(e.KIND) == "neighbour")
        .then(pl.format("because you {} “{}”{}", verb, _BASIS_NAME, place))
        .when(pl.col(e.KIND) == "taste")
        .then(pl.format("more from {}, which you chose most: {} of {} items", c.CATEGORY, e.TASTE_COUNT, e.TASTE_TOTAL))
        # A segment's name is the operator's word for people, not theirs.
        .when(pl.col(e.KIND) == "segment")
        .then(pl.format(f"popular with users like you: {{}} {window}", _users(e.SEGMENT_COUNT)))
        .when(pl.col(e.KIND) == "country")
        .then(pl.format(f"popular in {{}}: {{}} {window}", c.COUNTRY, _users(e.COUNTRY_COUNT)))
        .when(pl.col(e.KIND) == "popularity")
        .then(pl.format("popular: {} so far", _users(c.USER_COUNT)))
        .when(pl.col(e.KIND) == "few")
        .then(_published("chosen by few so far: published {}", "chosen by few so far"))
        .otherwise(
            _published("new here: published {}, not yet chosen by anyone", "new here: not yet chosen by anyone"),
        )
    )


def _published(dated: str, plain: str) -> pl.Expr:
    """With the day the item was published, where it is known."""
    day = pl.col(c.PUBLISHED_AT).dt.strftime("%Y-%m-%d")
    return pl.when(pl.col(c.PUBLISHED_AT).is_not_null()).then(pl.format(dated, day)).otherwise(pl.lit(plain))


def _users(column: str) -> pl.Expr:
    return pl.format("{} {}", column, pl.when(pl.col(column) == 1).then(pl.lit("user")).otherwise(pl.lit("users")))
