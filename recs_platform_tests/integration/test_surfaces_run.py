"""Surfaces of recs.toml, from simulated events to the command, the published table and the server's bundle."""

import json
from pathlib import Path

import pytest

from recs_platform.stages.releases import current_release
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform_tests.homes import CommandLine, ask, platform_at
from recs_platform_tests.worlds import tiny_world

SURFACES = """
[surfaces.email]
k = 4
board = { event = "click", days = 28, by = "everybody" }

[surfaces.top]
personal = false
k = 3
board = { event = "view", days = 28 }
"""


@pytest.mark.trial
def test_surfaces_from_events_to_whoever_reads_lists(
    recs: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert recs(home, "init")[0] == 0
    with (home / "recs.toml").open("a") as file:
        file.write(SURFACES)
    tiny_world(home / "landing" / "world")
    code, _, err = recs(home, "run")
    assert code == 0, err
    with monkeypatch.context() as context:
        context.setenv("RECS_HOME", str(home))
        platform = platform_at(home)
    release = current_release(platform.home).version
    rows = ask(platform, "from recommendations.surface_lists order by surface, user_id, rank")
    assert set(rows["release_id"]) == {release}
    assert set(rows["surface"]) == {"email", "top"}
    users = set(ask(platform, "select distinct user_id from recommendations.current")["user_id"])
    bundle = open_bundle(platform.home, release)
    assert set(bundle.surfaces) == {"email", "top"}
    for surface, k in (("email", 4), ("top", 3)):
        theirs = rows.filter(surface=surface)
        assert set(theirs["user_id"]) == users
        user = min(users)
        stored = theirs.filter(user_id=user)
        assert stored["rank"].to_list() == list(range(1, k + 1))
        code, out, err = recs(home, "recommend", user, "--surface", surface, "--json")
        assert code == 0, err
        assert [item["item_id"] for item in json.loads(out)["items"]] == stored["item_id"].to_list()
        place = bundle.user(user)
        assert place is not None
        assert [bundle.item_ids[item] for item, *_ in bundle.surface_list(surface, place)] == stored[
            "item_id"
        ].to_list()
    board = rows.filter(surface="top").group_by("user_id", maintain_order=True).agg("item_id")["item_id"]
    sources = set(rows.filter(surface="top")["sources"].explode())
    assert sources == {"fallback"}
    # One board for everybody, less what each has consumed.
    assert len({item for items in board for item in items}) < 40
    assert recs(home, "recommend", min(users), "--surface", "nowhere")[0] == 2
    assert "nowhere" in recs(home, "recommend", min(users), "--surface", "nowhere")[2]
