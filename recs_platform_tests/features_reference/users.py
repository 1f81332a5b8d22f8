"""Features of users and their tastes, with loops. Definitions are those of the yml; nothing is taken from the SQL."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from recs_platform.contracts import columns as c
from recs_platform_tests.features_reference.events import CONVERSIONS, EPOCH, Event
from recs_platform_tests.features_reference.known import (
    DAY,
    Known,
    Pair,
    Session,
    bought,
    clicked,
    decayed,
    most_common,
    ratings_of,
)
from recs_platform_tests.features_reference.numbers import (
    bits,
    circle,
    deviation,
    mean,
    median,
    nine,
    percent_ranks,
    ratio,
    smoothed,
)

MOBILE = {"mobile", "phone", "tablet"}
HALF_LIFE_DAYS = 28
Rows = dict[tuple[str, ...], dict[str, Any]]
DIMENSIONS: dict[str, Callable[[Mapping[str, Any]], set[str]]] = {
    "category": lambda item: _one(item[c.CATEGORY]),
    "creator": lambda item: _one(item[c.CREATOR]),
    "language": lambda item: _one(item[c.LANGUAGE]),
    "tag": lambda item: set(item[c.TAGS] or ()),
}


def _one(value: str | None) -> set[str]:
    return set() if value is None else {value}


def tastes(known: Known, user: str) -> dict[str, tuple[Decimal, int]]:
    """Weight of each consumed item, halved for every 28 days before the user's last interaction, with its own last."""
    mine = {item: pair for (owner, item), pair in known.consumed.items() if owner == user}
    newest = max((pair.last_interaction for pair in mine.values()), default=0)
    return {
        item: (
            nine(0.5 ** ((newest - pair.last_interaction) / DAY / HALF_LIFE_DAYS) * float(pair.weight)),
            pair.last_interaction,
        )
        for item, pair in mine.items()
    }


def user_affinities(known: Known) -> Rows:
    """One row a user, dimension and value."""
    rows: Rows = {}
    for user in known.by_user:
        in_catalogue = {item: taste for item, taste in tastes(known, user).items() if item in known.catalogue}
        for dimension, values_of in DIMENSIONS.items():
            rows |= _affinities(known, user, dimension, {
                item: (values_of(known.catalogue[item]), *taste)
                for item, taste in in_catalogue.items()
                if dimension != "tag" or taste[0] > 0
            })  # fmt: skip
    return rows


def _affinities(known: Known, user: str, dimension: str, items: Mapping[str, tuple[set[str], Decimal, int]]) -> Rows:
    total = sum((weight for values, weight, _ in items.values() if values), Decimal(0))
    by_value: dict[str, list[tuple[Decimal, int]]] = defaultdict(list)
    for values, weight, last in items.values():
        for value in values:
            by_value[value].append((weight, last))
    weights = {value: sum((weight for weight, _ in found), Decimal(0)) for value, found in by_value.items()}
    order = sorted(weights, key=lambda value: (-weights[value], value))
    return {
        (user, dimension, value): {
            c.WEIGHT: float(weights[value]),
            "share": ratio(weights[value], total),
            c.RANK: place,
            "item_count": len(by_value[value]),
            "last_interaction_at": EPOCH + timedelta(microseconds=max(last for _, last in by_value[value])),
        }
        for place, value in enumerate(order, start=1)
    }


def user_features(known: Known) -> Rows:
    """One row a user, whether there are events or not."""
    engagement = {
        hidden: percent_ranks(
            {
                user: decayed(known.by_user.get(user, ()), 14 * 24, known.us)
                for user in known.users
                if (user in known.opted_out) == hidden
            }
        )
        for hidden in (True, False)
    }
    rates = _rates(known)
    affinities = user_affinities(known)
    return {
        (user,): {
            **_profile(known, user),
            **_activity(known, known.by_user.get(user, [])),
            **_sessions(known, user),
            **_items(known, user),
            **_entropies(affinities, user),
            **_measures(known, known.by_user.get(user, [])),
            **_clock(known.by_user.get(user, [])),
            **rates[user],
            "engagement_rank": engagement[user in known.opted_out][user],
        }
        for user in known.users
    }


def _profile(known: Known, user: str) -> dict[str, Any]:
    events, profile = known.by_user.get(user, []), known.profile(user)
    country = profile.get(c.COUNTRY)
    region, in_region = most_common(event.row[c.REGION] for event in events)
    devices = [event.row[c.DEVICE] for event in events if event.row[c.DEVICE] is not None]
    signed_up = profile.get(c.SIGNED_UP_AT)
    firsts = [event.at for event in events[:1]] + ([signed_up] if signed_up is not None else [])
    return {
        c.COUNTRY: most_common(event.row[c.COUNTRY] for event in events)[0] if country is None else country,
        c.REGION: region,
        "region_share": ratio(in_region, sum(event.row[c.REGION] is not None for event in events)),
        "top_device": most_common(devices)[0],
        "mobile_share": ratio(sum(device in MOBILE for device in devices), len(devices)),
        "tenure_days": (known.as_of - min(firsts)).total_seconds() / 86400 if firsts else None,
    }


def _activity(known: Known, events: Sequence[Event]) -> dict[str, Any]:
    interactions = [event for event in events if event.is_interaction]
    conversions = [event for event in events if event.kind in CONVERSIONS]
    dates = sorted({event.at.date() for event in events})
    ages = [known.us - event.us for event in interactions]
    recent, before = sum(age <= 14 * DAY for age in ages), sum(14 * DAY < age <= 28 * DAY for age in ages)
    return {
        "recency_days": known.days_since(events[-1].us if events else None),
        "user_days_since_last_interaction": known.days_since(interactions[-1].us if interactions else None),
        "event_count": len(events),
        "impression_count": len(events) - len(interactions),
        "interaction_count": len(interactions),
        "interaction_count_7d": sum(age <= 7 * DAY for age in ages),
        "interaction_count_28d": sum(age <= 28 * DAY for age in ages),
        "conversion_count": len(conversions),
        "monetary_value": float(sum(nine(event.row[c.VALUE] or 0.0) for event in conversions)),
        "active_day_count": len(dates),
        "active_day_count_28d": sum((known.as_of_date - date).days <= 28 for date in dates),
        "mean_return_days": (dates[-1] - dates[0]).days / (len(dates) - 1) if len(dates) > 1 else None,
        "engagement_score": float(decayed(events, 14 * 24, known.us)),
        "activity_trend": ratio(recent - before, recent + before),
    }


def _sessions(known: Known, user: str) -> dict[str, Any]:
    found: dict[Session, list[int]] = defaultdict(list)
    for event in known.by_user.get(user, ()):
        found[known.sessions[event.event_id]].append(event.us)
    seconds = [(max(moments) - min(moments)) / 1_000_000 for moments in found.values()]
    return {
        "session_count": len(found),
        "mean_session_seconds": mean(seconds),
        "median_session_seconds": median(seconds),
        "bounce_rate": ratio(sum(len(moments) == 1 for moments in found.values()), len(found)),
    }


def _items(known: Known, user: str) -> dict[str, Any]:
    mine = {item: pair for (owner, item), pair in known.consumed.items() if owner == user}
    prices = [known.catalogue[item][c.PRICE] for item in mine if item in known.catalogue]
    popularity = percent_ranks(Counter(item for _, item in known.consumed))
    by_category: Counter[str] = Counter()
    for item, pair in mine.items():
        category = known.catalogue[item][c.CATEGORY] if item in known.catalogue else None
        if category is not None:
            by_category[category] += pair.interactions
    top, in_top = most_common(by_category.elements())
    return {
        "distinct_item_count": len(mine),
        "distinct_category_count": len(by_category),
        "category_spread": ratio(len(by_category), len(mine)),
        "top_category": top,
        "top_category_share": ratio(in_top, by_category.total()),
        "mainstream_rank": mean(popularity[item] for item in mine),
        "mean_price": mean(price for price in prices if price is not None),
    }


def _entropies(affinities: Rows, user: str) -> dict[str, Any]:
    return {
        f"{dimension}_entropy": bits(
            [Decimal(row[c.WEIGHT]) for key, row in affinities.items() if key[:2] == (user, dimension)]
        )
        for dimension in DIMENSIONS
    }


def _measures(known: Known, events: Sequence[Event]) -> dict[str, Any]:
    ratings = ratings_of(events)
    return {
        "user_mean_dwell_seconds": mean(known.measures(c.DWELL_SECONDS, events)),
        "user_mean_scroll_fraction": mean(known.measures(c.SCROLL_FRACTION, events)),
        "user_rating_mean": mean(ratings),
        "user_rating_stddev": deviation(ratings),
        "user_rating_count": len(ratings),
    }


def _clock(events: Sequence[Event]) -> dict[str, Any]:
    hours = [event.at.hour for event in events]
    weekdays = [event.at.weekday() for event in events]  # Monday is 0
    hour_sin, hour_cos = circle(hours, 24)
    weekday_sin, weekday_cos = circle(weekdays, 7)
    return {
        "night_share": ratio(sum(hour >= 22 or hour < 6 for hour in hours), len(hours)),
        "weekend_share": ratio(sum(weekday >= 5 for weekday in weekdays), len(weekdays)),
        "hour_sin": hour_sin,
        "hour_cos": hour_cos,
        "hour_concentration": None if hour_sin is None or hour_cos is None else (hour_sin**2 + hour_cos**2) ** 0.5,
        "weekday_sin": weekday_sin,
        "weekday_cos": weekday_cos,
    }


def _rates(known: Known) -> dict[str, dict[str, Any]]:
    """Clicks over impressions and buyers over consumed items, each pulled to everyone's."""
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for (user, _), pair in known.pairs.items():
        pairs[user].append(pair)
    clicks = smoothed([clicked(mine) for mine in pairs.values()])
    conversions = smoothed([bought(mine) for mine in pairs.values()])
    return {
        user: {
            "user_click_through_rate": clicks.of(*clicked(pairs[user])),
            "user_conversion_rate": conversions.of(*bought(pairs[user])),
        }
        for user in known.users
    }
