"""Features of a user and a candidate item, with loops. Definitions are those of the yml."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from recs_platform.contracts import columns as c
from recs_platform_tests.features_reference.events import microseconds
from recs_platform_tests.features_reference.items import item_features
from recs_platform_tests.features_reference.known import Known
from recs_platform_tests.features_reference.numbers import mean, nine, ratio
from recs_platform_tests.features_reference.sequences import item_transitions
from recs_platform_tests.features_reference.users import Rows, tastes, user_affinities, user_features

COVISIT_ITEMS = 10
TRANSITION_ITEMS = 5
Row = Mapping[str, Any]
NOTHING: Row = {}


def candidate_features(known: Known) -> Rows:
    """One row a candidate pair, whether the user and the item are known or not."""
    users, items = user_features(known), item_features(known)
    affinities, transitions = user_affinities(known), item_transitions(known)
    country_shares = _country_shares(known, users)
    rows: Rows = {}
    for user, item in known.log.candidates:
        row, version = users.get((user,), NOTHING), known.catalogue.get(item, NOTHING)
        country = row.get(c.COUNTRY)
        rows[user, item] = {
            **_affinities(known, affinities, user, version),
            **_neighbours(known, transitions, user, item),
            **_shown(known, user, item),
            **_matches(row, items.get((item,), NOTHING)),
            "price_ratio": _over(version.get(c.PRICE), row.get("mean_price")),
            "country_popularity_7d_share": country_shares.get((country, item), 0.0),
        }
    return rows


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _affinities(known: Known, affinities: Rows, user: str, version: Row) -> dict[str, Any]:
    """How much of the user's weight is on what the item is; of nothing, there is no share."""

    def row(dimension: str, value: str | None) -> Row:
        return NOTHING if value is None else affinities.get((user, dimension, value), NOTHING)

    def share(dimension: str, value: str | None) -> float | None:
        has_weight = any(key[:2] == (user, dimension) and found[c.WEIGHT] > 0 for key, found in affinities.items())
        return row(dimension, value).get("share", 0.0) if has_weight and value is not None else None

    tags = [share("tag", tag) for tag in sorted(set(version.get(c.TAGS) or ()))]
    last = row("category", version.get(c.CATEGORY)).get("last_interaction_at")
    return {
        "category_affinity": share("category", version.get(c.CATEGORY)),
        "creator_affinity": share("creator", version.get(c.CREATOR)),
        "language_affinity": share("language", version.get(c.LANGUAGE)),
        "tag_affinity": mean(found for found in tags if found is not None),
        "days_since_category": None if last is None else known.days_since(microseconds(last)),
        "is_known_creator": int(bool(row("creator", version.get(c.CREATOR)))),
    }


def _neighbours(known: Known, transitions: Rows, user: str, item: str) -> dict[str, Any]:
    """What the user consumed last, newest first, and how near the item is to it."""
    mine = tastes(known, user)
    newest = sorted(mine, key=lambda other: (-mine[other][1], _tie(user, other)))
    scores = [nine(known.log.neighbours.get((other, item), 0.0)) for other in newest[:COVISIT_ITEMS]]
    return {
        "covisit_score_max": float(max(scores, default=Decimal(0))),
        "covisit_score_sum": float(sum(scores)),
        "transition_score": sum(
            0.5**place * transitions.get((other, item), NOTHING).get("probability", 0.0)
            for place, other in enumerate(newest[:TRANSITION_ITEMS])
        ),
    }


def _shown(known: Known, user: str, item: str) -> dict[str, Any]:
    pair = known.pairs.get((user, item))
    shown = pair.impressions if pair else 0
    return {
        "pair_impression_count": shown,
        "days_since_pair_impression": known.days_since(pair.last_impression) if pair and shown else None,
    }


def _matches(user: Row, item: Row) -> dict[str, Any]:
    hours = [user.get("hour_sin"), user.get("hour_cos"), item.get("item_hour_sin"), item.get("item_hour_cos")]
    mine, its = user.get("mobile_share"), item.get("item_mobile_share")
    return {
        "hour_match": None if None in hours else hours[0] * hours[2] + hours[1] * hours[3],
        "device_match": None if mine is None or its is None else mine * its + (1 - mine) * (1 - its),
    }


def _country_shares(known: Known, users: Rows) -> dict[tuple[str, str], float]:
    """Of the weight in each country, halved for every 7 days, what each item has."""
    weights: dict[tuple[str, str], Decimal] = {}
    for (user, item), pair in known.pairs.items():
        country = users[user,][c.COUNTRY]
        if country is not None:
            weights[country, item] = weights.get((country, item), Decimal(0)) + pair.weight_7d
    totals = {place: sum(weight for (other, _), weight in weights.items() if other == place) for place, _ in weights}
    return {(place, item): ratio(weight, totals[place]) or 0.0 for (place, item), weight in weights.items()}


def _tie(user: str, item: str) -> str:
    """Of what was done at one instant, an order without a pattern."""
    return hashlib.md5(f"{user}\x1f{item}".encode(), usedforsecurity=False).hexdigest()
