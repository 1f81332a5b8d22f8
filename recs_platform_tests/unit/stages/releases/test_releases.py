from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError, NotReady, RecsError
from recs_platform.contracts.home import Home
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import CURRENT, RELEASES
from recs_platform.stages import releases as r
from recs_platform.stages.releases.files import LISTS_FILE

LISTS_SCHEMA = {
    "as_of": pl.Datetime("us", "UTC"),
    "user_id": pl.String,
    "rank": pl.Int32,
    "item_id": pl.String,
    "score": pl.Float64,
    "sources": pl.List(pl.String),
    "reason": pl.String,
    "segment_id": pl.String,
    "propensity": pl.Float64,
    "propensity_method": pl.String,
    "is_holdout": pl.Boolean,
    "ranker_version": pl.String,
}
SHORT_SCHEMA = {
    "as_of": pl.Datetime("us", "UTC"),
    "user_id": pl.String,
    "list_length": pl.Int64,
    "eligible_count": pl.Int64,
    "reason": pl.String,
}


def day(n: int, hour: int = 0) -> datetime:
    return datetime(2020, 1, n, hour, tzinfo=UTC)


def lists(as_of: datetime, content: dict[str, str]) -> pl.DataFrame:
    """One list a user, one item a letter."""
    rows = [
        (as_of, user, rank, item, -float(rank), ["als"], "because", None, 1.0, "exact", False, "v1")
        for user, items in content.items()
        for rank, item in enumerate(items, 1)
    ]
    return pl.DataFrame(rows, schema=LISTS_SCHEMA, orient="row")


def origin(as_of: datetime, known_at: datetime) -> r.ReleaseOrigin:
    return r.ReleaseOrigin(as_of=as_of, known_at=known_at, data_version="7", seed=1, ranker_version="v1")


def seal(
    home: Home, as_of: datetime, digest: str, sealed_at: datetime, content: dict[str, str] | None = None
) -> Manifest:
    return r.seal_release(
        home,
        r.ReleaseRows(lists(as_of, content or {"u1": "ab", "u2": "cd"}), pl.DataFrame(schema=SHORT_SCHEMA)),
        origin(as_of, sealed_at),
        content_hash=digest * 16,
        sealed_at=sealed_at,
    )


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def test_a_release_is_read_back_as_it_was_sealed(home):
    manifest = seal(home, day(5), "a", day(6), {"u2": "cd", "u1": "ab"})
    assert manifest.version == "2020-01-05-" + "a" * 12
    frame = r.read_release(home, manifest.version)
    assert tuple(frame.columns) == CURRENT.column_names
    assert frame.select("user_id", "rank", "item_id").rows() == [
        ("u1", 1, "a"), ("u1", 2, "b"), ("u2", 1, "c"), ("u2", 2, "d"),
    ]  # fmt: skip
    assert frame["release_id"].unique().to_list() == [manifest.version]
    assert r.read_short_lists(home, manifest.version).is_empty()


def test_sealing_the_same_content_again_changes_nothing(home):
    first = seal(home, day(5), "a", day(6))
    file = home.artifacts / "releases" / first.version / LISTS_FILE
    before = file.stat().st_mtime_ns
    again = seal(home, day(5), "a", day(9))
    assert again == first
    assert file.stat().st_mtime_ns == before
    assert r.list_releases(home).height == 1


def test_the_greatest_as_of_is_current_and_the_last_sealed_within_it(home):
    seal(home, day(5), "a", day(6))
    seal(home, day(7), "b", day(8))
    corrected = seal(home, day(7), "c", day(9))
    assert r.current_release(home) == corrected


def test_a_backfilled_earlier_release_never_becomes_current_and_makes_later_ones_stale(home):
    seal(home, day(3), "a", day(4))
    latest = seal(home, day(7), "b", day(8))
    backfilled = seal(home, day(5), "c", day(9))
    assert r.current_release(home) == latest
    assert backfilled.inputs == {"previous": "2020-01-03-" + "a" * 12}
    listed = r.list_releases(home)
    assert listed.columns == list(RELEASES.column_names)
    assert listed.select("as_of", "is_current", "is_stale").rows() == [
        (day(3), False, False), (day(5), False, False), (day(7), True, True),
    ]  # fmt: skip
    assert str(r.why_stale(home, latest.version)).startswith(
        f"{latest.version} is stale: {backfilled.version} was seal"
    )
    assert r.why_stale(home, backfilled.version) is None
    for number, digest in enumerate("defg", 1):
        seal(home, day(number), digest, day(9 + number))
    said = str(r.why_stale(home, latest.version))
    assert said.count("2020-01-") == 2 + 3
    assert "and 2 more were sealed after it" in said


def test_a_pin_survives_newer_releases_until_it_is_taken_off(home):
    good = seal(home, day(5), "a", day(6))
    seal(home, day(6), "b", day(7))
    r.pin_release(home, good.version)
    newest = seal(home, day(7), "c", day(8))
    assert r.current_release(home) == good
    assert r.list_releases(home).filter("is_pinned")["release_id"].to_list() == [good.version]
    r.unpin(home)
    r.unpin(home)
    assert r.current_release(home) == newest
    assert not r.list_releases(home)["is_pinned"].any()


def test_pinning_leaves_no_file_aside(home):
    good = seal(home, day(5), "a", day(6))
    r.pin_release(home, good.version)
    assert sorted(path.name for path in home.artifacts.iterdir()) == ["releases", "releases.pin"]
    (home.artifacts / "releases.pin.tmp-99999999-1b-1").write_text("half")
    r.pin_release(home, good.version)
    assert sorted(path.name for path in home.artifacts.iterdir()) == ["releases", "releases.pin"]


def test_an_unknown_release_is_refused_with_the_known_ones(home):
    known = seal(home, day(5), "a", day(6)).version
    for call in (r.pin_release, r.read_release, lambda h, name: r.diff_releases(h, known, name)):
        with pytest.raises(RecsError, match=f"'nope'.*{known}"):
            call(home, "nope")
    assert r.pinned_release(home) is None


def test_a_manifest_keeps_what_is_known_of_the_origin(home):
    rows = r.ReleaseRows(lists(day(5), {"u": "a"}), pl.DataFrame(schema=SHORT_SCHEMA))
    known = replace(origin(day(5), day(6)), models="m", code="c")
    kept = r.seal_release(home, rows, known, content_hash="d" * 16, sealed_at=day(6)).parameters
    assert list(kept.items()) == [("models", "m"), ("code", "c"), ("ranker_version", "v1"), ("content_hash", "d" * 16)]


def test_nothing_is_current_before_the_first_release(home):
    assert r.list_releases(home).is_empty()
    assert r.list_releases(home).columns == list(RELEASES.column_names)
    with pytest.raises(NotReady, match="recs run"):
        r.current_release(home)


def test_a_release_of_nothing_or_of_another_as_of_is_refused(home):
    made, short = origin(day(5), day(6)), pl.DataFrame(schema=SHORT_SCHEMA)
    for rows, fault in (
        (lists(day(5), {}), "no lists"),
        (lists(day(4), {"u": "a"}), "another as_of"),
        (lists(day(5), {"u": "a"}).drop("reason"), "reason"),
    ):
        with pytest.raises(ContractError, match=fault):
            r.seal_release(home, r.ReleaseRows(rows, short), made, content_hash="f" * 16, sealed_at=day(6))
    assert r.list_releases(home).is_empty()


def test_empty_lists_with_their_reasons_are_a_release(home):
    short = pl.DataFrame(
        [{"as_of": day(5), "user_id": "u", "list_length": 0, "eligible_count": 0, "reason": "all consumed"}],
        schema=SHORT_SCHEMA,
    )
    manifest = r.seal_release(
        home,
        r.ReleaseRows(lists(day(5), {}), short),
        origin(day(5), day(6)),
        content_hash="e" * 16,
        sealed_at=day(6),
    )
    assert manifest.metrics["n_users"] == 0
    assert r.read_release(home, manifest.version).is_empty()
    assert r.read_short_lists(home, manifest.version)["reason"].to_list() == ["all consumed"]
    assert r.diff_releases(home, manifest.version, manifest.version).changed_share is None


def test_a_diff_counts_users_places_and_movers(home):
    a = seal(home, day(5), "a", day(6), {"u1": "abcd", "u2": "ab", "gone": "a"}).version
    b = seal(home, day(6), "b", day(7), {"u1": "abxy", "u2": "ab", "new": "x"}).version
    diff = r.diff_releases(home, a, b)
    assert (diff.users_added, diff.users_removed, diff.users_in_both) == (("new",), ("gone",), 2)
    assert diff.changed_share == pytest.approx(2 / 6)
    assert diff.mean_overlap == pytest.approx((2 / 4 + 2 / 2) / 2)
    assert diff.movers.rows() == [("x", 0, 2, 2), ("a", 3, 2, -1), ("c", 1, 0, -1), ("d", 1, 0, -1), ("y", 0, 1, 1)]


def test_a_release_does_not_differ_from_itself(home):
    a = seal(home, day(5), "a", day(6)).version
    diff = r.diff_releases(home, a, a)
    assert (diff.changed_share, diff.mean_overlap, diff.movers.height) == (0.0, 1.0, 0)


def test_releases_without_a_common_user_have_no_overlap_to_speak_of(home):
    a = seal(home, day(5), "a", day(6), {"u1": "a"}).version
    b = seal(home, day(6), "b", day(7), {"u2": "a"}).version
    diff = r.diff_releases(home, a, b)
    assert (diff.changed_share, diff.mean_overlap, diff.users_in_both) == (None, None, 0)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations([(1, "a"), (2, "b"), (3, "c"), (3, "d")]))
def test_whatever_the_order_of_sealing_the_greatest_as_of_is_current(order, tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    for hour, (number, digest) in enumerate(order):
        seal(home, day(number), digest, day(10, hour))
    last = [digest for number, digest in order if number == 3][-1]
    assert r.current_release(home).version == "2020-01-03-" + last * 12
    listed = r.list_releases(home)
    assert listed["is_current"].sum() == 1
    for row in listed.iter_rows(named=True):
        earlier = listed.filter(pl.col("as_of") < row["as_of"])
        assert row["is_stale"] == bool((earlier["sealed_at"] > row["sealed_at"]).any())


def test_a_diff_counts_rows_and_shows_how_exposure_shifted(home):
    a = seal(home, day(5), "a", day(6), {"u1": "abcd", "u2": "ab"}).version
    b = seal(home, day(6), "b", day(7), {"u1": "bace", "u2": "ae", "u3": "e"}).version
    items = pl.DataFrame({"item_id": list("abcde"), "category": ["x", "x", "y", "y", None]})
    diff = r.diff_releases(home, a, b, items)
    assert (diff.rows_entered, diff.rows_left, diff.rows_moved) == (2, 2, 2)
    assert (diff.items_entered, diff.items_left) == (1, 1)
    # Nobody has a segment, before and after. x: 4 of 6 -> 3 of 7; y: 2 of 6 -> 1 of 7; none: 0 -> 3 of 7.
    shifts = {(row["dimension"], row["value"]): row["change"] for row in diff.exposure.to_dicts()}
    assert shifts == pytest.approx(
        {("category", None): 3 / 7, ("category", "x"): 3 / 7 - 4 / 6, ("category", "y"): 1 / 7 - 2 / 6}
    )
    assert diff.exposure["value"].to_list() == [None, "x", "y"]
    assert diff.summary()["exposure"][0]["share_before"] == 0.0
