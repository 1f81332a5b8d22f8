"""A small bundle whose content a test can say by heart: two users, five items, one person who opted out."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.contracts.manifests import Manifest
from recs_platform.stages.releases.bundle import BundleContent, BundleRules, seal_bundle

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
ITEMS = ("a", "b", "c", "d", "e")
SOURCES = ["als"]


def release(release_id: str = "2024-03-01-0123", sealed_at: datetime = AS_OF) -> Manifest:
    return Manifest(
        name="releases", version=release_id, as_of=AS_OF, known_at=AS_OF, data_version="1", seed=1, sealed_at=sealed_at
    )


def rows(of_users: dict[str, str]) -> pl.DataFrame:
    """One row a user and item, a letter each, in the order of the letters."""
    found = [
        (user, rank, item, 1.0 / rank, SOURCES, f"because of {item}", 1.0)
        for user, items in of_users.items()
        for rank, item in enumerate(items, 1)
    ]
    schema = {
        "user_id": pl.String,
        "rank": pl.Int32,
        "item_id": pl.String,
        "score": pl.Float64,
        "sources": pl.List(pl.String),
        "reason": pl.String,
        "propensity": pl.Float64,
    }
    return pl.DataFrame(found, schema=schema, orient="row")


def content(
    lists: dict[str, str] | None = None,
    consumed: dict[str, str] | None = None,
    opted_out: tuple[str, ...] = ("gone",),
    excluded: str = "",
    items: tuple[str, ...] = ITEMS,
) -> BundleContent:
    of_users = {"u1": "ab", "u2": "bc", "gone": "cd"} if lists is None else lists
    pairs = [(item, near, 0.5, rank) for item in items for rank, near in enumerate(items, 1) if near != item]
    return BundleContent(
        lists=rows(of_users),
        ranked=rows({user: letters + "de" for user, letters in of_users.items()}),
        consumed=rows({"u1": "c"} if consumed is None else consumed),
        items=pl.DataFrame(
            {
                "item_id": items,
                "title": [f"Title {item}" for item in items],
                "category": ["x", "y", *[None] * (len(items) - 2)][: len(items)],
                "is_available": [True] * len(items),
            },
            schema_overrides={"item_id": pl.String, "category": pl.String},
        ),
        vector_ids=list(items),
        vectors=np.eye(max(len(items), 1), dtype=np.float32)[: len(items)] * 3,
        neighbours=pl.DataFrame(
            pairs,
            schema={"item_id": pl.String, "neighbour_id": pl.String, "score": pl.Float32, "rank": pl.Int32},
            orient="row",
        ),
        fallbacks={"all": list(items), "device=mobile": ["e", "d"]},
        user_regions=pl.DataFrame({"user_id": ["u1"], "availability_region": ["DE"]}),
        exclusions=pl.DataFrame(
            {"availability_region": ["DE"] * len(excluded), "item_id": list(excluded)},
            schema={"availability_region": pl.String, "item_id": pl.String},
        ),
        opted_out=opted_out,
        rules=BundleRules(k=2, max_per_category=6, allow_repeats=False),
    )


def seal(home: Home, made: BundleContent, known_at: datetime = AS_OF, release_id: str = "2024-03-01-0123") -> Manifest:
    return seal_bundle(home, release(release_id, known_at), made, known_at=known_at, data_version="1")
