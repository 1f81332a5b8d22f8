"""Rows that may be shown no more: of lists that are shared, and of surfaces."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.stages.releases import (
    ReleaseOrigin,
    ReleaseRows,
    find_release,
    read_items_of,
    read_release,
    read_served,
    read_served_expiry,
    read_served_surfaces,
    seal_release,
)
from recs_platform.stages.releases.bundle import open_bundle, seal_bundle
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.removing import remove_from_bundle
from recs_platform.stages.releases.expiry import expired_share, list_expiry, read_list_expiry
from recs_platform.stages.releases.references import SharedRows
from recs_platform.stages.releases.removing import remove_from_release
from recs_platform.stages.releases.replacements import replacement_of
from recs_platform.stages.releases.replacing import replace_rows
from recs_platform.stages.releases.served import seal_replacement
from recs_platform.stages.releases.withheld import Withheld
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content
from recs_platform_tests.unit.stages.releases.bundles import rows as list_rows

OPTED_OUT, WITHDRAWN = frozenset({"u2"}), frozenset({"a"})


def with_rest(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(AS_OF).dt.cast_time_unit("us").alias("as_of"),
        pl.lit("s1").alias("segment_id"),
        pl.lit("v1").alias("ranker_version"),
        pl.lit("exact").alias("propensity_method"),
        pl.lit(value=False).alias("is_holdout"),
    )


def sealed(home: Home, expiry: pl.DataFrame | None = None) -> str:
    """u1 and u2 have a list, u8 is shown two of a shared one, u1 and u2 have one on a surface."""
    lists = {"u1": "ab", "u2": "bc"}
    references = pl.DataFrame({
        "as_of": [AS_OF], "user_id": ["u8"], "list_id": ["everywhere"], "list_length": [2], "hidden_items": [["b"]],
        "segment_id": ["s1"],
    }).with_columns(pl.col("as_of").dt.cast_time_unit("us"))  # fmt: skip
    shared = with_rest(list_rows({"everywhere": "abcd"})).rename({"user_id": "list_id"}).drop("segment_id")
    shared = shared.with_columns(pl.lit(["fallback"]).alias("sources"))
    surfaces = with_rest(list_rows({"u1": "cad", "u2": "cad"})).with_columns(pl.lit("email").alias("surface"))
    short = pl.DataFrame(schema={"as_of": pl.Datetime("us", "UTC"), "user_id": pl.String, "list_length": pl.Int64,
                                 "eligible_count": pl.Int64, "reason": pl.String})  # fmt: skip
    return seal_release(
        home,
        ReleaseRows(with_rest(list_rows(lists)), short, SharedRows(shared, references), surfaces, expiry),
        ReleaseOrigin(as_of=AS_OF, known_at=AS_OF, data_version="1", seed=1, ranker_version="v1"),
        content_hash="c" * 12,
        sealed_at=AS_OF,
        before_sealing=lambda release: seal_bundle(
            home,
            release,
            replace(content(lists, consumed={"u1": "c", "u8": "b"}, opted_out=()), expiry=expiry),
            known_at=AS_OF,
            data_version="1",
        ),
    ).version


def test_shared_lists_and_those_of_surfaces_follow(tmp_path: Path) -> None:
    home = Home(tmp_path)
    release = find_release(home, sealed(home))
    withheld = Withheld(frozenset({*OPTED_OUT, "u8"}), WITHDRAWN)
    amend_bundle(home, release.version, Withheld(OPTED_OUT, WITHDRAWN), known_at=AS_OF)
    bundle = open_bundle(home, release.version)
    made = replace_rows(home, release, bundle, withheld, ("fallback",))
    seal_replacement(home, release, made, known_at=AS_OF, sealed_at=AS_OF)
    served = read_served(home, release.version)
    # Of the shared list u8 was shown `a` and `c`; that list is of nobody, so refusing it changes nothing.
    assert served.select("user_id", "rank", "item_id").rows() == [
        ("u1", 1, "b"), ("u1", 2, "d"), ("u2", 1, "b"), ("u2", 2, "c"), ("u8", 1, "c"), ("u8", 2, "d")
    ]  # fmt: skip
    assert served.select("user_id", "segment_id").unique().sort("user_id").rows() == [
        ("u1", "s1"), ("u2", None), ("u8", "s1")
    ]  # fmt: skip
    assert read_served(home, release.version, user="u8").equals(served.filter(user_id="u8"))
    surfaces = read_served_surfaces(home, release.version)
    assert surfaces.select("user_id", "rank", "item_id").rows() == [
        ("u1", 1, "c"), ("u1", 2, "d"), ("u2", 1, "b"), ("u2", 2, "c"), ("u2", 3, "d")
    ]  # fmt: skip
    assert made.counts == {
        "replaced_user_count": 3, "replaced_row_count": 1 + 2 + 1 + 1 + 3, "opted_out_user_count": 1,
        "withdrawn_item_count": 1, "expired_item_count": 0, "excluded_item_count": 0,
    }  # fmt: skip


def test_where_all_may_be_shown_again_nothing_is_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path)
    release = find_release(home, sealed(home))
    for withdrawn in (WITHDRAWN, frozenset[str]()):
        made = replace_rows(home, release, None, Withheld(withdrawn=withdrawn), ("fallback",))
        found = seal_replacement(home, release, made, known_at=AS_OF, sealed_at=AS_OF)
        assert (found is None) == (not withdrawn)
        assert replacement_of(home, release.version) == found
    assert read_served(home, release.version).height == 6


def test_expiry_is_sealed_read_forgotten_and_served(tmp_path: Path) -> None:
    home, users = Home(tmp_path), pl.Series(["u1", "u2", "u8"])
    seen = pl.DataFrame({"user_id": ["u1", "u2"], "active_day_count_28d": [28, 14]})
    expiry = list_expiry(users, seen, AS_OF, days_min=1, days_max=7)
    release = find_release(home, sealed(home, expiry))
    until = {"u1": AS_OF + timedelta(days=1), "u2": AS_OF + timedelta(days=2), "u8": AS_OF + timedelta(days=7)}
    assert dict(read_list_expiry(home, release.version).select("user_id", "expires_at").iter_rows()) == until
    assert read_list_expiry(home, release.version, user="u2")["expires_at"].to_list() == [until["u2"]]
    bundle = open_bundle(home, release.version)
    assert [bundle.expires_at(bundle.user(user)) for user in ("u1", "u2")] == [until["u1"], until["u2"]]
    assert bundle.expires_at(None) is None
    assert read_served_expiry(home, release.version, "u2") == until["u2"]
    amend_bundle(home, release.version, Withheld(OPTED_OUT), known_at=AS_OF)
    assert read_served_expiry(home, release.version, "u2") is None
    assert read_served_expiry(home, release.version, "u1") == until["u1"]
    assert expired_share(home, release.version, until["u2"]) == 2 / 3
    remove_from_release(home.artifacts, "releases", release, ["u2"])
    assert read_list_expiry(home, release.version)["user_id"].to_list() == ["u1", "u8"]
    left = open_bundle(
        home,
        remove_from_bundle(home.artifacts, open_bundle(home, release.version).manifest, ["u1"]).parameters[
            "release_id"
        ],
    )
    assert left.expires_at(left.user("u2")) == until["u2"]


def test_items_of_some_users_are_those_of_the_whole_release(tmp_path: Path) -> None:
    home = Home(tmp_path)
    release = sealed(home)
    for users, k in ((["u1", "u8"], 1), (["u2", "u8", "u9"], 10), (["u1"], 2), ([], 3)):
        found = read_items_of(home, release, pl.Series(users, dtype=pl.String), k)
        expected = read_release(home, release).filter(pl.col("user_id").is_in(users) & (pl.col("rank") <= k))
        columns = ["user_id", "item_id", "propensity"]
        assert found.sort(columns).equals(expected.select(columns).sort(columns))
