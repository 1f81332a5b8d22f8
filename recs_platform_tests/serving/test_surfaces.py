"""Lists of surfaces as they are served, and a bundle less somebody who was on one."""

from dataclasses import replace
from pathlib import Path

import pytest

from recs_platform.stages.releases.bundle.content import BundleContent
from recs_platform.stages.releases.bundle.encoding import encode_bundle
from recs_platform.stages.releases.bundle.removing import without_users
from recs_platform_tests.serving.served import Ask, Served, item_ids
from recs_platform_tests.unit.stages.releases.bundles import content, rows

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


def test_whoever_is_forgotten_leaves_the_surfaces_too(made: BundleContent):
    arrays = encode_bundle(made)
    kept = without_users(arrays, ["u1"])
    assert len(arrays["surface-letter.items"]) == 4
    assert len(kept["surface-letter.items"]) == 2
    assert kept["surface-letter.offsets"].tolist() == [0, 2]
