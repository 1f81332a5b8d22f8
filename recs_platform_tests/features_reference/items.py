"""Features of items and of their audiences, with loops. Definitions are those of the yml."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from recs_platform.contracts import columns as c
from recs_platform_tests.features_reference.events import CONVERSIONS, Event, microseconds
from recs_platform_tests.features_reference.known import (
    DAY,
    Known,
    Pair,
    bought,
    clicked,
    decayed,
    most_common,
    ratings_of,
)
from recs_platform_tests.features_reference.numbers import Rate, circle, mean, percent_ranks, ratio, smoothed
from recs_platform_tests.features_reference.users import MOBILE, Rows

HALF_LIVES = {"1h": 1, "3h": 3, "1d": 24, "7d": 7 * 24, "28d": 28 * 24}  # hours
RATIOS = (("1h", "1d"), ("3h", "1d"), ("1d", "7d"), ("7d", "28d"))


def item_features(known: Known) -> Rows:
    """One row an item that is known, seen or not."""
    popularity = {
        name: {item: decayed(known.by_item.get(item, ()), hours, known.us) for item in known.items}
        for name, hours in HALF_LIVES.items()
    }
    rates = _rates(known)
    counts = {item: _counts(known, item) for item in known.items}
    return {
        (item,): {
            **counts[item],
            **_shares(item, counts),
            **_profile(known, item),
            **_popularity(item, popularity),
            **_windows(known, known.by_item.get(item, ())),
            **_measures(known, known.by_item.get(item, ())),
            **_audience(known, counts[item]),
            **rates[item],
        }
        for item in known.items
    }


def _profile(known: Known, item: str) -> dict[str, Any]:
    events, version = known.by_item.get(item, []), known.catalogue.get(item, {})
    published = version.get(c.PUBLISHED_AT)
    firsts = [event.us for event in events[:1]] + ([microseconds(published)] if published is not None else [])
    last = max((event.us for event in events if event.is_interaction), default=None)
    return {
        c.PRICE: version.get(c.PRICE),
        "age_days": known.days_since(min(firsts, default=None)),
        "item_days_since_last_interaction": known.days_since(last),
    }


def _counts(known: Known, item: str) -> dict[str, int]:
    pairs = [pair for (_, other), pair in known.pairs.items() if other == item]
    consumers = [pair for pair in pairs if pair.interactions]
    return {
        "impression_count": sum(pair.impressions for pair in pairs),
        "interaction_count": sum(pair.interactions for pair in pairs),
        "user_count": len(consumers),
        "user_count_7d": sum(known.us - pair.last_interaction <= 7 * DAY for pair in consumers),
    }


def _shares(item: str, counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    def of(column: str) -> float:
        return ratio(counts[item][column], sum(others[column] for others in counts.values())) or 0.0

    def rank(column: str) -> float:
        return percent_ranks({other: found[column] for other, found in counts.items()})[item]

    return {
        "impression_share": of("impression_count"),
        "interaction_share": of("interaction_count"),
        "user_count_rank": rank("user_count"),
        "user_count_7d_rank": rank("user_count_7d"),
        "recent_user_share": ratio(counts[item]["user_count_7d"], counts[item]["user_count"]),
    }


def _popularity(item: str, popularity: dict[str, dict[str, Decimal]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, by_item in popularity.items():
        row[f"popularity_{name}"] = float(by_item[item])
        row[f"popularity_{name}_share"] = ratio(by_item[item], sum(by_item.values(), Decimal(0))) or 0.0
        row[f"popularity_{name}_rank"] = percent_ranks(by_item)[item]
    for short, long in RATIOS:
        row[f"popularity_{short}_to_{long}_ratio"] = ratio(popularity[short][item], popularity[long][item])
    return row


def _windows(known: Known, events: Sequence[Event]) -> dict[str, int]:
    kinds = {"view": {"view"}, "click": {"click"}, "conversion": CONVERSIONS}
    return {
        f"{name}_count_{days}d": sum(event.kind in kind and known.us - event.us <= days * DAY for event in events)
        for name, kind in kinds.items()
        for days in (1, 7, 28)
    }


def _measures(known: Known, events: Sequence[Event]) -> dict[str, Any]:
    ratings = ratings_of(events)
    devices = [event.row[c.DEVICE] for event in events if event.row[c.DEVICE] is not None]
    regions = [event.row[c.REGION] for event in events if event.row[c.REGION] is not None]
    hour_sin, hour_cos = circle([event.at.hour for event in events if event.is_interaction], 24)
    return {
        "item_mobile_share": ratio(sum(device in MOBILE for device in devices), len(devices)),
        "item_top_region_share": ratio(most_common(regions)[1], len(regions)),
        "item_mean_dwell_seconds": mean(known.measures(c.DWELL_SECONDS, events)),
        "item_mean_scroll_fraction": mean(known.measures(c.SCROLL_FRACTION, events)),
        "item_rating_mean": mean(ratings),
        "item_rating_count": len(ratings),
        "item_hour_sin": hour_sin,
        "item_hour_cos": hour_cos,
    }


def _audience(known: Known, counts: dict[str, int]) -> dict[str, Any]:
    everyone = len({user for user, _ in known.consumed})
    share = ratio(counts["user_count"], everyone)
    return {
        "item_audience_share": share,
        "item_novelty_bits": -math.log2(share) if share else None,
        "item_interactions_per_user": ratio(counts["interaction_count"], counts["user_count"]),
    }


def _rates(known: Known) -> dict[str, dict[str, Any]]:
    """Clicks over impressions, the same with the place on the page allowed for, and buyers over users."""
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for (_, item), pair in known.pairs.items():
        pairs[item].append(pair)
    clicks = smoothed([clicked(its) for its in pairs.values()])
    conversions = smoothed([bought(its) for its in pairs.values()])
    by_position = _rate_by_position(list(known.pairs.values()))
    return {
        item: {
            "item_click_through_rate": clicks.of(*clicked(pairs[item])),
            "item_position_corrected_rate": _corrected(pairs[item], clicks, by_position),
            "item_conversion_rate": conversions.of(*bought(pairs[item])),
        }
        for item in known.items
    }


def _rate_by_position(pairs: Sequence[Pair]) -> dict[int | None, Fraction]:
    by_position: dict[int | None, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.impressions:
            by_position[pair.first_position].append(pair)
    return {position: Fraction(*clicked(found)) for position, found in by_position.items()}


def _corrected(pairs: Sequence[Pair], clicks: Rate, by_position: dict[int | None, Fraction]) -> float | None:
    """The overall rate times clicks over the clicks that any item would have had in the same places."""
    if clicks.overall is None:
        return None
    expected = sum(pair.impressions * by_position[pair.first_position] for pair in pairs if pair.impressions)
    pull = clicks.strength * clicks.overall
    if not pull:
        return 0.0  # nobody ever clicked
    return float(clicks.overall * (clicked(pairs)[0] + pull) / (expected + pull))


def item_audiences(known: Known) -> Rows:
    """One row an item, dimension of its interactions and value."""
    counts: Counter[tuple[str, ...]] = Counter()
    for event in known.events:
        for dimension in (c.DEVICE, c.REGION, c.COUNTRY):
            if event.is_interaction and event.row[dimension] is not None:
                counts[event.item, dimension, event.row[dimension]] += 1
    rows: Rows = {}
    for (item, dimension, value), count in counts.items():
        of_item = sum(n for (other, kind, _), n in counts.items() if (other, kind) == (item, dimension))
        of_all = sum(n for (_, kind, _), n in counts.items() if kind == dimension)
        of_value = sum(n for (_, kind, other), n in counts.items() if (kind, other) == (dimension, value))
        rows[item, dimension, value] = {
            "interaction_count": count,
            "share": count / of_item,
            "overall_share": of_value / of_all,
            "lift": (count / of_item) / (of_value / of_all),
        }
    return rows
