"""Landing gets whole files with stable names and bytes, and nothing of the truth."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recs_platform.world import World, simulate, write_landing
from recs_platform_tests.worlds import TINY, tiny_world

TRUTH_WORDS = (
    "taste", "affinity", "attraction", "appeal", "examin", "intent", "vector", "latent", "quality", "focus", "activity",
    "click_prob", "weights", "damage", "broken", "truth", "brand_new", "popularity",
    "group",
)  # fmt: skip


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture
def landed(tmp_path: Path) -> tuple[World, Path]:
    return tiny_world(tmp_path), tmp_path


def test_the_same_world_written_twice_leaves_the_same_files(landed: tuple[World, Path]) -> None:
    world, folder = landed
    first = digests(folder)
    key = world.config.key
    assert sorted(first) == [
        f"events-{key}-20240101.parquet", f"events-{key}-20240116.parquet", f"items-{key}.jsonl", f"users-{key}.jsonl",
    ]  # fmt: skip
    assert [path.name for path in write_landing(simulate(TINY), folder)] == sorted(first)
    assert digests(folder) == first


def test_another_seed_adds_files(landed: tuple[World, Path]) -> None:
    _, folder = landed
    first = digests(folder)
    added = write_landing(simulate(TINY.model_copy(update={"seed": 8})), folder)
    assert len(added) == 4
    assert digests(folder).items() > first.items()
    assert len(digests(folder)) == 8


def test_files_of_events_follow_one_another_in_time(landed: tuple[World, Path]) -> None:
    world, folder = landed
    middle_ms = world.config.start_ms + 15 * 86_400_000
    early, late = (pl.read_parquet(path) for path in sorted(folder.glob("events-*.parquet")))
    sane = pl.col("ts_ms").is_between(world.config.start_ms, world.config.end_ms)
    assert early.filter(sane)["ts_ms"].max() < middle_ms
    assert late.filter(sane)["ts_ms"].quantile(0.01) >= middle_ms  # second deliveries may be a day late


def names_in(dtype: object, name: str) -> set[str]:
    inner = {child for field in getattr(dtype, "fields", []) for child in names_in(field.dtype, field.name)}
    return {name, *inner}


def test_no_name_in_landing_is_a_name_of_the_truth(landed: tuple[World, Path]) -> None:
    _, folder = landed
    names: set[str] = set()
    for path in folder.iterdir():
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path)
        names |= {child for name, dtype in frame.schema.items() for child in names_in(dtype, name)}
    assert "device" in names
    assert not [name for name in names if any(word in name.lower() for word in TRUTH_WORDS)]


def test_no_number_in_landing_is_a_number_of_the_truth(landed: tuple[World, Path]) -> None:
    world, folder = landed
    truth = world.truth
    secrets = np.concatenate([
        truth.appeal.affinity, truth.appeal.attraction, truth.appeal.click_probability, truth.examination[1:],
        truth.catalogue.quality, truth.catalogue.popularity, truth.population.activity, truth.catalogue.vectors.ravel(),
        truth.population.taste.ravel(), truth.population.category_weights.ravel(), truth.visits.intent.ravel(),
    ])  # fmt: skip
    secrets = secrets[(secrets != 0) & (secrets != 1)]
    found = [
        np.array(list(numbers(json.loads(line))))
        for path in folder.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    for path in folder.glob("*.parquet"):
        frame = pl.read_parquet(path)
        found += [frame[name].drop_nulls().to_numpy() for name, dtype in frame.schema.items() if dtype.is_numeric()]
    landed_numbers = np.concatenate(found).astype(np.float64)
    assert len(landed_numbers) > 10_000
    assert not np.isin(landed_numbers, secrets.astype(np.float64)).any()
    assert not np.isin(landed_numbers.astype(np.float32), secrets.astype(np.float32)).any()


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for child in value.values() for number in numbers(child)]
    if isinstance(value, list):
        return [number for child in value for number in numbers(child)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
