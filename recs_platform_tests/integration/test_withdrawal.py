"""Mistakes are taken back from the command line, and what analysts see follows."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from recs_platform.contracts.time import as_of_key
from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.in_force import IN_FORCE_KEY
from recs_platform.defs.instance import open_instance
from recs_platform.lake.artifacts import MANIFEST_FILE, sealed_versions
from recs_platform.pipeline.plans import plan_build
from recs_platform.pipeline.training.windows import WINDOWS
from recs_platform.stages.releases import current_release, diff_releases, is_withdrawn
from recs_platform_tests.homes import Built, CommandLine, as_of_tables, ask, copy_home
from recs_platform_tests.integration.test_cli import COULD_NOT, USAGE, _one_line, _seal_older

REFUSED = [
    (("run", "--as-of", "2024-02-30"), USAGE, "2024-02-30"),
    (("backfill", "--from", "2024-01-30", "--to", "2024-02-30"), USAGE, "2024-02-30"),
    (("as-of", "remove", "2024-02-30"), USAGE, "2024-02-30"),
    *(
        (arguments, code, says)
        for day, code, says in (
            ("2990-01-01", USAGE, "after now"),
            ("2024-06-01", COULD_NOT, "after the last event"),
        )
        for arguments in (
            ("run", "--as-of", day),
            ("plan", "--as-of", day),
            ("evaluate", "--as-of", day),
            ("backfill", "--from", "2024-01-30", "--to", day),
            ("sql", "--model", "features.user_features", "--as-of", day),
        )
    ),
    (("as-of", "remove", "2023-01-01"), COULD_NOT, "2024-01-31"),
    (("releases", "withdraw", "2024-01-31-nope"), COULD_NOT, "2024-01-31-nope"),
]


def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(recs: CommandLine, built: Built) -> None:
    home = built.platform.home
    before = as_of_tables(built.platform)
    for arguments, code, says in REFUSED:
        found, out, err = recs(home.root, *arguments)
        assert (found, out) == (code, ""), (arguments, err)
        assert says in _one_line(err)
        assert as_of_tables(built.platform) == before, arguments
        with open_instance(home) as instance:
            assert list(instance.get_dynamic_partitions("as_of")) == [as_of_key(built.as_of)], arguments


def test_a_withdrawn_release_gives_way_to_the_greatest_that_is_left(
    recs: CommandLine, built: Built, tmp_path: Path
) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    home = platform.home
    newest, older = current_release(home).version, _seal_older(platform)
    recs(home.root, "releases", "rollback", newest)
    code, out, err = recs(home.root, "releases", "withdraw", newest)
    assert (code, out) == (0, f"withdrawn: {newest}\ncurrent release: {older}\n")
    assert "was pinned" in err
    current = ask(platform, "select distinct release_id from recommendations.current")
    assert current["release_id"].to_list() == [older]
    assert ask(platform, "from recommendations.releases")["release_id"].to_list() == [older]
    plan = plan_build(platform, built.as_of, built.known_at)
    assert plan.is_withdrawn
    assert not any("is missing" in reason for reason in plan.reasons)
    code, out, _ = recs(home.root, "releases", "withdraw", older)
    assert (code, "current release: none" in out) == (0, True)
    assert ask(platform, "from recommendations.current").is_empty()
    code, _, err = recs(home.root, "recommend", "u00001")
    assert (code, "recs run" in _one_line(err)) == (COULD_NOT, True)


def test_what_has_grown_old_is_pruned_and_what_serves_stays(
    recs: CommandLine, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    home, root = platform.home, platform.home.artifacts
    newest, older = current_release(home).version, _seal_older(platform)
    monkeypatch.setenv("RECS_RETENTION__AS_OFS_MAX", "1")
    day_before = as_of_key(built.as_of - timedelta(days=1))
    stale = [manifest.version for manifest in sealed_versions(root, WINDOWS)]
    used = stale.pop()
    for version in stale:
        os.utime(root / WINDOWS / version / MANIFEST_FILE, (0, 0))
    recs(home.root, "releases", "rollback", older)
    assert json.loads(recs(home.root, "prune", "--dry-run", "--json")[1])["as_ofs"] == []  # it is pinned
    recs(home.root, "releases", "rollback", "latest")
    code, out, _ = recs(home.root, "prune", "--dry-run", "--json")
    counted = json.loads(out)
    assert (code, counted["as_ofs"], counted["artifacts"]) == (0, [day_before], {WINDOWS: len(stale)})
    assert len(sealed_versions(root, WINDOWS)) == len(stale) + 1
    assert f"removed 1 as-ofs: {day_before}" in recs(home.root, "prune")[1]
    assert [manifest.version for manifest in sealed_versions(root, WINDOWS)] == [used]
    assert [manifest.version for manifest in sealed_versions(root, "releases")] == [newest]
    assert not is_withdrawn(home, older)
    assert ask(platform, "from recommendations.releases")["release_id"].to_list() == [newest]
    assert recs(home.root, "prune")[1] == "nothing has grown old\n"
    # What was pruned is made again where it is asked for: nothing says that the build is out of date.
    assert not plan_build(platform, built.as_of, built.known_at).reasons


def test_the_jobs_of_the_ui_do_the_same_and_it_shows_what_is_in_force(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    newest, older = current_release(platform.home).version, _seal_older(platform)
    definitions = build_definitions(platform)

    def run(job: str, op: str, release_id: str) -> dict[str, object]:
        config = {"ops": {op: {"config": {"release_id": release_id}}}}
        with open_instance(platform.home) as instance:
            definitions.get_job_def(job).execute_in_process(run_config=config, instance=instance)
            shown = instance.get_latest_materialization_event(IN_FORCE_KEY)
        assert shown is not None
        materialization = shown.asset_materialization
        assert materialization is not None
        return {name: each.value for name, each in materialization.metadata.items()}

    shown = run("rollback_release", "roll_back", older)
    assert (shown["release_id"], shown["is_pinned"]) == (older, True)
    assert ask(platform, "select distinct release_id from recommendations.current")["release_id"].to_list() == [older]
    shown = run("rollback_release", "roll_back", "latest")
    assert (shown["release_id"], shown["is_pinned"], shown["compared_with"]) == (newest, False, older)
    assert shown["changed_share"] == diff_releases(platform.home, older, newest).changed_share
    assert run("withdraw_release", "take_back", newest)["release_id"] == older
    assert run("withdraw_release", "take_back", older)["release_id"] == "none"


def test_a_removed_as_of_leaves_nothing_behind(recs: CommandLine, built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    home, key = platform.home, as_of_key(built.as_of)
    older = _seal_older(platform)
    with open_instance(home) as instance:
        instance.add_dynamic_partitions("as_of", ["2024-02-30", "2990-01-01", key])
    rows = json.loads(recs(home.root, "as-of", "list", "--json")[1])["as_ofs"]
    day_before = as_of_key(built.as_of - timedelta(days=1))
    assert [row["as_of"] for row in rows] == [day_before, key, "2990-01-01", "2024-02-30"]
    assert [row["is_current"] for row in rows] == [False, True, False, False]
    assert [bool(row["remark"]) for row in rows] == [False, False, True, True]
    for mistake in ("2024-02-30", "2990-01-01"):
        assert recs(home.root, "as-of", "remove", mistake)[0] == 0
    code, out, _ = recs(home.root, "as-of", "remove", key)
    assert code == 0
    assert f"removed: as-of {key}" in out
    with open_instance(home) as instance:
        assert list(instance.get_dynamic_partitions("as_of")) == []
    assert current_release(home).version == older
    assert not (home.reports / key).exists()
    assert all(built.as_of not in platform.lake.as_ofs(name) for name in as_of_tables(platform))
    assert ask(platform, "from features.user_features").is_empty()
    assert recs(home.root, "as-of", "remove", key)[0] == COULD_NOT
    assert key not in recs(home.root, "as-of", "list")[1]
