"""Sealing and publishing killed at each step: what was in force stays whole, and the next run makes what was to be."""

import hashlib
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish_release_tables
from recs_platform.stages.releases import current_release, read_release
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform_tests.homes import platform_at
from recs_platform_tests.pipeline.killing import Steps
from recs_platform_tests.serving.served import release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

BEFORE, AFTER = {"u1": "ab", "u2": "bc"}, {"u1": "ba", "u2": "cd"}
_COMMIT = "replace"
EVERY = pytest.mark.parametrize(
    "every", [pytest.param(False, id="some"), pytest.param(True, id="each", marks=pytest.mark.trial)]
)


def start(root: Path) -> Platform:
    platform = platform_at(root, publish={"exports": ["jsonl"]})
    release_into(platform.home, content(BEFORE))
    publish_release_tables(platform)
    return platform


def seal(platform: Platform) -> None:
    release_into(platform.home, content(AFTER), "b", AS_OF + timedelta(days=1))


def kept(folder: Path) -> dict[str, str]:
    """Hash of every file that is neither aside nor kept to be put back, by name; manifests are touched by who reads."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".tmp-" not in path.as_posix() and path.parent.name != ".kept"
    }


def published(platform: Platform) -> dict[str, list[tuple[object, ...]]]:
    """Rows of every table but the one that says when; the file is opened as an analyst does."""
    with duckdb.connect(str(platform.home.analytics), read_only=True) as con:
        names = [
            f"{schema}.{name}"
            for schema, name in con.execute(
                "select schema_name, table_name from duckdb_tables() union all "
                "select schema_name, view_name from duckdb_views() where not internal order by all"
            ).fetchall()
            if name != "in_force"
        ]
        return {name: con.execute(f"select * from {name} order by all").fetchall() for name in names}


def current(platform: Platform) -> set[tuple[object, ...]]:
    """User, rank and item of recommendations.current."""
    with duckdb.connect(str(platform.home.analytics), read_only=True) as con:
        return set(con.execute("select user_id, rank, item_id from recommendations.current").fetchall())


def pairs(lists: dict[str, str]) -> set[tuple[object, ...]]:
    return {(user, rank, item) for user, items in lists.items() for rank, item in enumerate(items, 1)}


def copy(source: Platform, target: Path) -> Platform:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source.home.root, target)
    return platform_at(target, publish={"exports": ["jsonl"]})


@EVERY
def test_sealing_is_killed_at_each_step(tmp_path: Path, every: bool) -> None:
    first = start(tmp_path / "first")
    older, steps = current_release(first.home).version, Steps()
    whole = copy(first, tmp_path / "whole")
    assert steps.run(lambda: seal(whole))
    count, newer = len(steps.names), current_release(whole.home).version
    assert newer != older
    assert {"rename", "fsync", "save", "write_parquet", "write_text"} <= set(steps.names)
    expected, seen = kept(whole.home.artifacts), list[str]()
    commits = [place for place, name in enumerate(steps.names) if name == "rename"]
    some = sorted({0, count // 2, count - 1, *(place + near for place in commits for near in (0, 1))} - {count})
    for step in range(count) if every else some:
        platform = copy(first, tmp_path / "killed")
        steps.run(lambda: seal(platform), step)  # noqa: B023  run at once
        in_force = current_release(platform.home).version
        seen.append(in_force)
        # Whatever is in force can be read and served.
        assert read_release(platform.home, in_force).height == 4
        assert open_bundle(platform.home, in_force).n_users == 2
        assert current(platform) == pairs(BEFORE)
        seal(platform)
        assert kept(platform.home.artifacts) == expected, (step, steps.names)
    assert seen == sorted(seen)  # once the new one is in force it stays
    assert {older, newer} == set(seen)


@EVERY
def test_publishing_is_killed_at_each_step(tmp_path: Path, every: bool) -> None:
    first = start(tmp_path / "first")
    seal(first)
    whole, steps = copy(first, tmp_path / "whole"), Steps()
    assert steps.run(lambda: publish_release_tables(whole))
    expected, exports = published(whole), kept(whole.home.exports)
    names = list(steps.names)
    assert {"copyfile", "_write", "chmod", "fsync", "replace"} <= set(names)
    commit = names.index(_COMMIT, names.index("chmod", names.index("_write")))
    chosen = range(len(names)) if every else (0, names.index("_write") + 1, commit, commit + 1, len(names) - 1)
    for step in chosen:
        platform = copy(first, tmp_path / "killed")
        assert not steps.run(lambda: publish_release_tables(platform), step)  # noqa: B023  run at once
        assert current(platform) == pairs(BEFORE if step <= commit else AFTER), (step, names)
        publish_release_tables(platform)
        assert published(platform) == expected, (step, names)
        assert kept(platform.home.exports) == exports
        assert not list(platform.home.published.glob("*.tmp-*"))


@pytest.mark.trial
@pytest.mark.parametrize("step", [3, 40])
def test_a_process_that_is_killed_leaves_what_was_in_force(tmp_path: Path, step: int) -> None:
    platform = start(tmp_path / "home")
    script = (
        "from pathlib import Path\n"
        "from recs_platform_tests.pipeline import test_killed_releases as t\n"
        "from recs_platform_tests.pipeline.killing import Steps\n"
        f"p = t.platform_at(Path({str(platform.home.root)!r}))\n"
        f"Steps().run(lambda: (t.seal(p), t.publish_release_tables(p)), {step}, really=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr
    assert current(platform) == pairs(BEFORE)
    seal(platform)
    publish_release_tables(platform)
    assert current(platform) == pairs(AFTER)
    assert not list(platform.home.root.rglob("*.tmp-*"))
