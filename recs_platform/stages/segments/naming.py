"""Names of clusters in words, from what sets them apart. Any feature can name one; some have better words."""

from collections.abc import Sequence
from dataclasses import dataclass

from recs_platform.stages.segments.scaling import Matrix

FEATURES_IN_NAME = 2
Z_MIN = 0.3  # less is no difference to name a cluster by
EVERYBODY, AVERAGE = "All active users", "Average"


@dataclass(frozen=True)
class Words:
    """Phrases for a high and a low value; features of one topic mean the same, so a name has one of them."""

    high: str
    low: str
    topic: str


_WORDS = {
    "recency_days": Words("long absent", "seen lately", "recency"),
    "user_days_since_last_interaction": Words("long absent", "seen lately", "recency"),
    "tenure_days": Words("long-standing", "new", "tenure"),
    "event_count": Words("very active", "little active", "activity"),
    "impression_count": Words("shown much", "shown little", "activity"),
    "interaction_count": Words("very active", "little active", "activity"),
    "interaction_count_7d": Words("very active", "little active", "activity"),
    "interaction_count_28d": Words("very active", "little active", "activity"),
    "active_day_count": Words("very active", "little active", "activity"),
    "active_day_count_28d": Words("very active", "little active", "activity"),
    "session_count": Words("very active", "little active", "activity"),
    "engagement_score": Words("very engaged", "little engaged", "activity"),
    "engagement_rank": Words("very engaged", "little engaged", "activity"),
    "distinct_item_count": Words("very active", "little active", "activity"),
    "conversion_count": Words("buying", "not buying", "buying"),
    "monetary_value": Words("buying", "not buying", "buying"),
    "user_conversion_rate": Words("buying", "not buying", "buying"),
    "mean_session_seconds": Words("long visits", "short visits", "visits"),
    "median_session_seconds": Words("long visits", "short visits", "visits"),
    "bounce_rate": Words("one-look visits", "visits that go on", "visits"),
    "mean_return_days": Words("rarely back", "often back", "return"),
    "activity_trend": Words("rising", "fading", "trend"),
    "distinct_category_count": Words("broad taste", "narrow taste", "taste"),
    "category_spread": Words("broad taste", "narrow taste", "taste"),
    "category_entropy": Words("broad taste", "narrow taste", "taste"),
    "tag_entropy": Words("broad taste", "narrow taste", "taste"),
    "top_category_share": Words("narrow taste", "broad taste", "taste"),
    "creator_entropy": Words("many creators", "few creators", "creators"),
    "language_entropy": Words("several languages", "one language", "languages"),
    "mainstream_rank": Words("mainstream", "off the mainstream", "mainstream"),
    "mean_price": Words("expensive items", "cheap items", "price"),
    "user_mean_dwell_seconds": Words("patient readers", "quick lookers", "attention"),
    "user_mean_scroll_fraction": Words("read to the end", "stop early", "attention"),
    "user_click_through_rate": Words("quick to click", "slow to click", "clicks"),
    "user_rating_mean": Words("generous raters", "strict raters", "ratings"),
    "user_rating_stddev": Words("divided ratings", "even ratings", "ratings"),
    "user_rating_count": Words("rating much", "rating little", "ratings"),
    "mobile_share": Words("mobile", "desktop", "device"),
    "night_share": Words("night-time", "daytime", "hour"),
    "hour_sin": Words("morning", "evening", "hour"),
    "hour_cos": Words("night-time", "daytime", "hour"),
    "hour_concentration": Words("set hours", "any hour", "habit"),
    "weekend_share": Words("weekend", "weekday", "week"),
    "weekday_sin": Words("early week", "late week", "week"),
    "weekday_cos": Words("around Monday", "around Thursday", "week"),
    "region_share": Words("in one place", "on the move", "place"),
}


def name_clusters(z: Matrix, ids: Sequence[str], features: Sequence[str]) -> list[str]:
    """A name a cluster, each used once: the two features with the largest |z| of different topics.

    `z` is (clusters, features). A name that is taken gets a further feature, and where that does not help, the id.
    """
    if len(ids) == 1:
        return [EVERYBODY]
    names: list[str] = []
    for row, segment_id in zip(z, ids, strict=True):
        phrases = _phrases(row, features)
        options = [_sentence(phrases[:length]) for length in range(FEATURES_IN_NAME, FEATURES_IN_NAME + 3)]
        free = [option for option in options if option not in names]
        names.append(free[0] if free else f"{options[0]} ({segment_id})")
    return names


def _phrases(z: Matrix, features: Sequence[str]) -> list[str]:
    """Phrases for a cluster, most distinctive first, one per topic."""
    phrases: dict[str, str] = {}
    for index in sorted(range(len(features)), key=lambda at: (-abs(round(float(z[at]), 6)), features[at])):
        words = _words(features[index])
        if abs(z[index]) >= Z_MIN and words.topic not in phrases:
            phrases[words.topic] = words.high if z[index] > 0 else words.low
    return list(phrases.values())


def _words(feature: str) -> Words:
    plain = feature.removeprefix("user_").replace("_", " ")
    return _WORDS.get(feature, Words(f"high {plain}", f"low {plain}", feature))


def _sentence(phrases: Sequence[str]) -> str:
    text = ", ".join(phrases) or AVERAGE
    return text[:1].upper() + text[1:]
