"""What the settings say of retrieval reaches it, and what is wrong in them is named."""

from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.defs.retrieval_inputs import KEPT_OF_EACH, item_vectors, retrieval_config, vectors_version
from recs_platform_tests.homes import platform_at


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"sources": {"oracle": {}}}, "unknown sources"),
        ({"sources": {"trending": {"half_life_days": -1}}}, "half_life_days"),
        ({"segments": {"new": {"off": ["oracle"]}}}, "unknown sources"),
        ({"quotas": {"oracle": 3}}, "unknown sources"),
    ],
    ids=["source", "parameter", "segment", "quota"],
)
def test_what_is_wrong_is_named(tmp_path: Path, asked: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match="setting 'retrieval") as refused:
        retrieval_config(platform_at(tmp_path, retrieval=asked))
    assert says in str(refused.value)


def test_quotas_of_ones_own_go_before_those_of_each(tmp_path: Path) -> None:
    config = retrieval_config(platform_at(tmp_path, retrieval={"quotas": {"new_items": 3}}))
    assert (config.quotas["new_items"], config.quotas["als"]) == (3, KEPT_OF_EACH)


def test_a_file_of_vectors_switches_its_source_on_and_another_makes_another_version(tmp_path: Path) -> None:
    without = platform_at(tmp_path, retrieval={})
    assert (item_vectors(without), vectors_version(without)) == (None, None)
    assert not retrieval_config(without).sources["vectors"].enabled
    platform = platform_at(tmp_path, retrieval={"vectors": "mine.parquet"})
    versions: list[str | None] = []
    for value in (1.0, 2.0):
        pl.DataFrame({"item_id": ["a"], "vector": [[value, 0.0]]}).write_parquet(tmp_path / "mine.parquet")
        versions.append(vectors_version(platform))
    assert len(set(versions)) == 2
    assert retrieval_config(platform).sources["vectors"].enabled
    read = item_vectors(platform)
    assert read is not None
    assert read.rows() == [("a", [2.0, 0.0])]


def test_a_missing_file_of_vectors_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.parquet"):
        item_vectors(platform_at(tmp_path, retrieval={"vectors": "mine.parquet"}))
