"""Whatever lies in a folder: either it is said why nothing can be made of it, or the source that is made can run."""

import json
import random
from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.stages.events.profiling.proposal import propose, write_source
from recs_platform.stages.events.source_sql import source_fault
from recs_platform.stages.events.sources import load_source

NAMES = ["userId", "item", 'SKU"x', "o'k", "timestamp", "Aktion", "", "日付", "select", "$x", "ID", "id", "line_number"]
VALUES = ["", "1", "1e400", "31.12.2024", "99/99/9999", "x'y", 'a"b', "\\", "😀", "1706745600", "1.234,56", "ja", "\r"]


def _write(rng: random.Random, folder: Path, number: int) -> None:
    columns = ["userId", "item", "timestamp", *(rng.choice(NAMES) for _ in range(rng.randrange(4)))]
    match rng.choice(["csv", "jsonl", "bytes"]):
        case "csv":
            lines = [columns, *([rng.choice(VALUES) for _ in columns] for _ in range(rng.randrange(4)))]
            text = "".join(rng.choice(",;").join(line) + "\n" for line in lines)
            (folder / f"{rng.choice(['log', 'kunden', 'a[b]'])}-{number}.csv").write_text(text, newline="")
        case "jsonl":
            rows = [{name: rng.choice([*VALUES, None, 1.5, [1], {"id": "x"}]) for name in columns} for _ in range(3)]
            (folder / f"log-{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        case _:
            (folder / f"log-{number}.{rng.choice(['parquet', 'csv.gz', 'zip', 'csv'])}").write_bytes(rng.randbytes(60))


@pytest.mark.parametrize("seed", range(30))
def test_a_source_that_is_made_can_run(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a test that can be repeated
    (tmp_path / "files").mkdir()
    for number in range(rng.randrange(1, 4)):
        _write(rng, tmp_path / "files", number)
    try:
        proposal = propose("x", tmp_path / "files")
    except UsageError as error:
        said = str(error)
        if not any(name in said for name in ("log", "kunden", "a[b]")):
            pytest.fail(f"no file is named: {said}")
        return
    write_source(proposal, tmp_path / "x", force=False)
    assert source_fault(load_source(tmp_path / "x" / "source.yml")) is None
