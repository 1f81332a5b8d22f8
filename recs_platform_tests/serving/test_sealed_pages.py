"""Pages that were made at sealing: the same bytes as worked out now, also after withdrawals and a forgotten person."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.serving.stored_pages import stored_items
from recs_platform.stages.releases.bundle import Bundle, open_bundle, sealed_bundle
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.content import BundleContent
from recs_platform.stages.releases.bundle.removing import remove_from_bundle
from recs_platform.stages.releases.withheld import Regions, Withheld
from recs_platform_tests.serving.served import Ask, Served, item_ids
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content, seal

RELEASE = "2024-03-01-0123"
LETTERS = tuple("abcdefghijklmnop")


def drawn(users: int = 80) -> BundleContent:
    """Lists of any length, categories that come too often, items that are away, gone or excluded for somebody."""
    draw = Random(3)  # noqa: S311
    lists = {f"u{n}": "".join(draw.sample(LETTERS, draw.randint(0, 6))) for n in range(users)}
    made = content(lists, {user: draw.choice(LETTERS) for user in lists}, excluded="ae", items=LETTERS)
    categories = pl.Series("category", [draw.choice(["x", "y", "z", None]) for _ in LETTERS], dtype=pl.String)
    shop = made.items.with_columns(categories, is_available=pl.col("item_id") != "b")
    regions = pl.DataFrame({"user_id": ["u1", "u2", "u3"], "availability_region": ["DE"] * 3})
    reasons = pl.format('like "{}", \\ ö', "item_id")
    scores = (1e-7, 1e16, 0.1 + 0.2, 2.0)
    marks = pl.Series("score", [scores[n % 4] for n in range(made.lists.height)])
    return replace(
        made,
        lists=made.lists.with_columns(reasons.alias("reason"), marks),
        items=shop,
        user_regions=regions,
        rules=replace(made.rules, k=3, max_per_category=2),
    )


def opened(home: Home) -> Bundle:
    return open_bundle(home, RELEASE)


def pages(bundle: Bundle) -> dict[int, bytes]:
    """Pages by user, having compared each with what is worked out now."""
    found = dict[int, bytes]()
    for user in range(bundle.n_users):
        now, sealed = stored_items(bundle, user, 3, frozenset()), bundle.page(user)
        if sealed:
            assert now is not None
            assert sealed == bytes(now)
            found[user] = sealed
        elif now is not None:  # worked out, for it is not the beginning of the list, or lists alone are behind it
            rows = bundle.list_of(user)
            begins = [bundle.item_ids[item].encode() for item in rows.items[:3]]
            assert len(rows.items) > 3 or not all(b'"item_id":"%b"' % item in bytes(now) for item in begins)
    return found


def test_a_sealed_page_is_what_is_worked_out_now(tmp_path: Path) -> None:
    home = Home(tmp_path)
    seal(home, drawn())
    assert len(pages(opened(home))) > 10


def test_parts_of_users_are_written_one_after_the_other(tmp_path: Path, monkeypatch) -> None:
    seal(Home(tmp_path / "whole"), drawn())
    monkeypatch.setattr("recs_platform.stages.releases.bundle.pages._USERS_AT_ONCE", 7)
    seal(Home(tmp_path / "parts"), drawn())
    assert pages(opened(Home(tmp_path / "parts"))) == pages(opened(Home(tmp_path / "whole")))


def test_who_has_no_list_has_no_page(tmp_path: Path) -> None:
    home = Home(tmp_path)
    nobody = content({}, {}, opted_out=())
    seal(home, replace(nobody, user_regions=nobody.user_regions.clear()))
    assert opened(home).n_users == 0


def test_withdrawn_items_are_on_no_page_and_nobody_else_s_is_written_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    seal(home, drawn())
    before = pages(opened(home))
    amend_bundle(home, RELEASE, Withheld(withdrawn=frozenset("c")), known_at=AS_OF + timedelta(days=1))
    after = pages(opened(home))
    assert set(after) < set(before)
    assert all(b'"c"' not in page for page in after.values())
    untouched = [user for user, page in before.items() if b'"c"' not in page]
    assert len(set(untouched) & set(after)) > 3


def test_pages_come_back_with_what_may_be_shown_again(tmp_path: Path) -> None:
    home, there = Home(tmp_path), pl.DataFrame({"user_id": [f"u{n}" for n in range(40)], "availability_region": "FR"})
    seal(home, drawn())
    amend_bundle(home, RELEASE, Withheld(), known_at=AS_OF)
    before = opened(home)
    excluded = pl.DataFrame({"availability_region": ["FR"], "item_id": ["d"]})
    known = Withheld(frozenset({"u1"}), frozenset("c"), regions=Regions(there, excluded))
    amend_bundle(home, RELEASE, known, known_at=AS_OF + timedelta(days=1))
    assert len(pages(opened(home))) < len(pages(before))
    amend_bundle(home, RELEASE, Withheld(), known_at=AS_OF + timedelta(days=2))
    after = opened(home)
    assert pages(after) == pages(before)
    assert not after.is_opted_out("u1")
    assert after.is_available == before.is_available
    # What was never offered under this release is not offered now either.
    assert after.lists_known_at == before.lists_known_at


def test_what_may_not_be_offered_where_a_user_is_by_now_is_on_no_page_of_theirs(tmp_path: Path) -> None:
    home, there = Home(tmp_path), pl.DataFrame({"user_id": [f"u{n}" for n in range(40)], "availability_region": "FR"})
    seal(home, drawn())
    before = pages(opened(home))
    excluded = pl.DataFrame({"availability_region": ["FR"], "item_id": ["c"]})
    amend_bundle(home, RELEASE, Withheld(regions=Regions(there, excluded)), known_at=AS_OF + timedelta(days=1))
    bundle = opened(home)
    after, names = pages(bundle), bundle.some_users(80)
    moved = {user for user in range(bundle.n_users) if names[user] in set(there["user_id"])}
    assert any(b'"c"' in page for user, page in before.items() if user in moved)
    assert not any(b'"c"' in page for user, page in after.items() if user in moved)
    assert {user: page for user, page in after.items() if user not in moved} == {
        user: page for user, page in before.items() if user not in moved
    }


def test_whoever_is_forgotten_leaves_no_page(tmp_path: Path) -> None:
    home = Home(tmp_path)
    seal(home, drawn())
    before = opened(home)
    kept = {before.some_users(80)[user]: page for user, page in pages(before).items()}
    gone = next(iter(kept))
    remove_from_bundle(home.artifacts, sealed_bundle(home, RELEASE), [gone])
    after = opened(home)
    names = after.some_users(80)
    assert {names[user]: page for user, page in pages(after).items()} == {
        user: page for user, page in kept.items() if user != gone
    }


def test_a_server_sends_it_and_keeps_nothing(tmp_path: Path) -> None:
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        assert item_ids(await ask("GET", "/v1/users/u1/recommendations")) == "ab"
        assert len(served.application.serving.pages) == 0
        assert (
            await ask("POST", "/v1/events", json={"user_id": "u1", "item_id": "a", "event_type": "dismiss"})
        ).is_success
        assert item_ids(await ask("GET", "/v1/users/u1/recommendations"))[0] == "b"
        assert (await ask("DELETE", "/v1/users/u2")).status_code == 202
        assert item_ids(await ask("GET", "/v1/users/u2/recommendations")) == "ab"  # a stranger's

    served.run(test)
