"""Records of old runs leave with all that was written of them; the newest of each job and young lines stay."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recs_platform.defs import launch
from recs_platform.defs.instance import open_instance
from recs_platform.defs.logs import LOG_FILE
from recs_platform.defs.pruning import prune
from recs_platform_tests.homes import ignore, land_contract, platform_at

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}


def test_what_old_runs_printed_and_logged_goes_with_their_records(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [CLICK])
    storage, log = platform.home.dagster / "storage", platform.home.logs / LOG_FILE
    with open_instance(platform.home) as instance:
        old, newest = (launch.ingest(platform, instance, ignore).run_id for _ in range(2))
        assert {folder.name for folder in storage.iterdir()} >= {old, newest}
        lines = log.read_text().splitlines()
        later = datetime.now(UTC) + timedelta(days=91)
        young = json.dumps(
            {**json.loads(lines[-1]), "at": f"{later - timedelta(days=1):%Y-%m-%dT%H:%M:%S}", "message": "young"}
        )
        log.write_text("".join(f"{line}\n" for line in (*lines, young, "half a li")))

        def say(_: str) -> None: ...

        assert prune(platform, instance, later, dry_run=True, say=say).runs == 1
        assert len(log.read_text().splitlines()) == len(lines) + 2
        assert prune(platform, instance, later, dry_run=False, say=say).runs == 1
        assert [run.run_id for run in instance.get_runs()] == [newest]
    assert not (storage / old).exists()
    assert (storage / newest).exists()
    assert log.read_text().splitlines() == [young, "half a li"]
    assert log.stat().st_mode & 0o777 == 0o600
