"""Lists of surfaces as they are served, and a bundle less somebody who was on one."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.boards import Board
from recs_platform.stages.releases.bundle.content import BundleContent
from recs_platform.stages.releases.bundle.encoding import encode_bundle
from recs_platform.stages.releases.bundle.removing import without_users
from recs_platform.stages.releases.withheld import Withheld
from recs_platform_tests.serving.served import Ask, Served, item_ids
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content, rows

LIST = "/v1/users/{}/recommendations"


@pytest.fixture(scope="module")
def made() -> BundleContent:
    return replace(content(), surfaces={"letter": rows({"u1": "ec", "u2": "da"})})


def test_a_surface_shows_its_own_list_less_what_was_consumed(made: BundleContent, tmp_path: Path):
    async def asked(ask: Ask) -> None:
        assert item_ids(await ask("GET", LIST.format("u2"), params={"surface": "letter"})) == "da"
        # u1 has consumed c meanwhile.
        assert item_ids(await ask("GET", LIST.format("u1"), params={"surface": "letter"})) == "e"
        assert item_ids(await ask("GET", LIST.format("u2"), params={"surface": "home"})) == "bc"
        assert item_ids(await ask("GET", LIST.format("u2"))) == "bc"
        refused = await ask("GET", LIST.format("u2"), params={"surface": "nowhere"})
        assert refused.status_code == 422
        assert "letter" in refused.text

    Served(tmp_path, made).run(asked)


def test_who_opted_out_or_is_unknown_sees_nothing_that_is_not_for_the_surface(made: BundleContent, tmp_path: Path):
    nobody = pl.DataFrame(schema={"user_id": pl.String, "group": pl.String})
    board = Board({"": ["d", "c"]}, nobody, 6, "popular with everybody")  # what is popular elsewhere is `a` and `b`
    served = Served(tmp_path, replace(made, boards={"letter": board}))
    amend_bundle(served.home, served.release_id, Withheld(opted_out=frozenset({"u2"})), known_at=AS_OF)

    async def asked(ask: Ask) -> None:
        for user in ("u2", "stranger"):
            found = await ask("GET", LIST.format(user), params={"surface": "letter", "k": 5})
            assert item_ids(found) == "dc"
            assert "a" in item_ids(await ask("GET", LIST.format(user), params={"surface": "home", "k": 5}))
        clicked = {"user_id": "stranger", "item_id": "d", "event_type": "click"}
        assert (await ask("POST", "/v1/events", json=clicked)).status_code == 202
        assert item_ids(await ask("GET", LIST.format("stranger"), params={"surface": "letter"})) == "c"

    served.run(asked)


def test_whoever_is_forgotten_leaves_the_surfaces_too(made: BundleContent):
    arrays = encode_bundle(made)
    kept = without_users(arrays, ["u1"])
    assert len(arrays["surface-letter.items"]) == 4
    assert len(kept["surface-letter.items"]) == 2
    assert kept["surface-letter.offsets"].tolist() == [0, 2]
