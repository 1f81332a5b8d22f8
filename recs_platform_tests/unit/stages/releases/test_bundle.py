"""A bundle gives back what was sealed, holds nobody who opted out, and is whole or refused."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.home import Home
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform.stages.releases.bundle.encoding import encode_bundle
from recs_platform.stages.releases.bundle.keys import keys_of, rows_of_key
from recs_platform.stages.releases.bundle.reading import Bundle
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content, release, seal

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
LISTS = st.dictionaries(IDS, st.lists(st.sampled_from("abcde"), unique=True, max_size=5).map("".join), max_size=8)


def opened(made: object) -> Bundle:
    arrays = encode_bundle(made)  # type: ignore[arg-type]
    parameters = {"release_id": "r", "rules": {"k": 2, "max_per_category": 6, "allow_repeats": False}}
    return Bundle(release().model_copy(update={"parameters": parameters}), arrays, arrays["opted_out.keys"])


@settings(max_examples=40)
@given(lists=LISTS, opted_out=st.sets(IDS, max_size=3))
def test_every_list_comes_back_but_those_of_people_who_opted_out(lists: dict[str, str], opted_out: set[str]):
    bundle = opened(content(lists, consumed={}, opted_out=tuple(sorted(opted_out))))
    for user, items in lists.items():
        code = bundle.user(user)
        if user in opted_out:
            assert code is None
            continue
        assert code is not None
        found = bundle.list_of(code)
        assert [bundle.item_ids[item] for item in found.items] == list(items)
        assert [bundle.reasons[each] for each in found.reasons] == [f"because of {item}" for item in items]
        assert [bundle.item_ids[item] for item in bundle.candidates(code).items] == [*items, "d", "e"]
    assert all(bundle.is_opted_out(user) for user in opted_out)
    assert bundle.user("nobody of that name") is None


@given(st.lists(IDS, unique=True, max_size=30))
def test_an_id_is_found_where_its_key_is(ids: list[str]):
    keys = keys_of(ids)
    keys.sort()
    assert [len(rows_of_key(keys, int(key))) for key in keys] == [1] * len(ids)


def test_what_belongs_to_a_user_an_item_and_a_region(tmp_path: Path):
    home = Home(tmp_path)
    seal(home, content(excluded="b"))
    bundle = open_bundle(home, "2024-03-01-0123")
    u1, a = bundle.user("u1"), bundle.item("a")
    assert u1 is not None
    assert a is not None
    assert [bundle.item_ids[code] for code in bundle.consumed(u1)] == ["c"]
    assert [bundle.item_ids[code] for code in bundle.excluded_in(bundle.region_of(u1))] == ["b"]
    assert [bundle.item_ids[code] for code in bundle.neighbours(a)[0]] == ["b", "c", "d", "e"]
    assert bundle.vectors[a].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert bundle.titles[a] == "Title a"
    named = [(name, len(ranking)) for name, ranking in bundle.fallback(("device=mobile", "device=none"))]
    assert named == [("device=mobile", 2), ("all", 5)]
    assert (bundle.n_users, bundle.item("nothing")) == (2, None)


def test_a_release_without_a_bundle_says_what_to_do(tmp_path: Path):
    with pytest.raises(NotReady, match=r"no serving bundle.*recs run --force"):
        open_bundle(Home(tmp_path), "2023-01-01-0000")


def test_a_file_that_is_not_as_sealed_is_refused(tmp_path: Path):
    manifest = seal(Home(tmp_path), content())
    file = tmp_path / "artifacts" / "serving" / manifest.version / "list.items.npy"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ContractError, match=r"list.items.npy has \d+ bytes"):
        open_bundle(Home(tmp_path), "2024-03-01-0123")


def test_an_opt_out_later_leaves_no_bundle_of_that_release_with_the_person_and_holds_for_older_releases(tmp_path: Path):
    home, later = Home(tmp_path), AS_OF + timedelta(hours=1)
    seal(home, content(opted_out=()), release_id="2024-02-01-0000")
    seal(home, content(opted_out=()))
    seal(home, content(opted_out=("u2",)), known_at=later)
    assert open_bundle(home, "2024-03-01-0123").user("u2") is None
    assert len(list((tmp_path / "artifacts" / "serving").iterdir())) == 2
    assert open_bundle(home, "2024-02-01-0000").is_opted_out("u2")
