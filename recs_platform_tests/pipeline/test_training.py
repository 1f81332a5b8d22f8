"""A ranker's version is that of what it learned from."""

from dataclasses import replace
from datetime import UTC, datetime

from recs_platform.contracts.manifests import Manifest
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.rankers import ranker_key

AT = datetime(2024, 1, 1, tzinfo=UTC)


def run_of(platform: Platform) -> AsOfRun:
    return AsOfRun(platform, AT, AT)


def window(version: str) -> Manifest:
    return Manifest(name="windows", version=version, as_of=AT, known_at=AT, data_version="1", seed=7, sealed_at=AT)


def test_a_ranker_version_follows_windows_and_seed_and_not_their_order(taken_in: Platform) -> None:
    version = ranker_key(run_of(taken_in), [window("a"), window("b")])
    assert ranker_key(run_of(taken_in), [window("b"), window("a")]) == version
    reseeded = replace(taken_in, settings=taken_in.settings.model_copy(update={"seed": 8}))
    others = {
        ranker_key(run_of(taken_in), [window("a")]),
        ranker_key(run_of(taken_in), [window("a"), window("c")]),
        ranker_key(run_of(reseeded), [window("a"), window("b")]),
    }
    assert len(others | {version}) == 4
