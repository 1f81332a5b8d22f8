"""A withdrawn release is never in force again, and what is left follows the same rules as before."""

import pytest

from recs_platform.contracts.errors import NotReady, RecsError
from recs_platform.contracts.home import Home
from recs_platform.stages import releases as r
from recs_platform_tests.unit.stages.releases.test_releases import day, seal


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def test_the_greatest_as_of_that_is_left_comes_into_force(home):
    first, second, third = (seal(home, day(n), digest, day(n + 1)) for n, digest in ((5, "a"), (6, "b"), (7, "c")))
    r.withdraw_release(home, third.version)
    assert r.current_release(home) == second
    r.withdraw_release(home, first.version)
    assert r.current_release(home) == second
    assert r.list_releases(home)["release_id"].to_list() == [second.version]


def test_a_pin_on_it_goes_and_a_pin_on_another_stays(home):
    first, second = seal(home, day(5), "a", day(6)), seal(home, day(6), "b", day(7))
    r.pin_release(home, first.version)
    r.withdraw_release(home, second.version)
    assert r.pinned_release(home) == first.version
    third = seal(home, day(7), "c", day(8))
    r.withdraw_release(home, first.version)
    assert r.pinned_release(home) is None
    assert r.current_release(home) == third


def test_after_the_last_one_nothing_is_in_force(home):
    only = seal(home, day(5), "a", day(6))
    r.withdraw_release(home, only.version)
    assert r.list_releases(home).is_empty()
    with pytest.raises(NotReady, match=f"{only.version} was withdrawn.*recs run --force"):
        r.current_release(home)


def test_what_is_unknown_or_withdrawn_already_is_said_and_changes_nothing(home):
    kept, gone = seal(home, day(5), "a", day(6)), seal(home, day(6), "b", day(7))
    r.withdraw_release(home, gone.version)
    for release_id, said in ((gone.version, "was withdrawn"), ("nope", "no release 'nope'"), ("../releases", "no")):
        for call in (r.withdraw_release, r.pin_release, r.read_release):
            with pytest.raises(RecsError, match=f"{said}.*{kept.version}"):
                call(home, release_id)
    assert r.current_release(home) == kept


def test_a_withdrawn_release_can_be_sealed_again_and_withdrawn_again(home):
    for _ in range(2):
        release = seal(home, day(5), "a", day(6))
        assert not r.is_withdrawn(home, release.version)
        assert r.current_release(home) == release
        r.withdraw_release(home, release.version)
        assert r.is_withdrawn(home, release.version)
