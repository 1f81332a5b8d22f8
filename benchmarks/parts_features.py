"""All features of one instant over ten million events, beside the same columns written by hand; then the segments.

The log is made and taken in, and the hand-written script run, in other processes: peak memory is the features' alone.
"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from benchmarks.promises import ALL_FEATURES, ALL_SEGMENTS
from benchmarks.timing import Row, apart, timed
from recs_platform.cli.house import open_platform
from recs_platform.stages import events
from recs_platform.world.log import DAYS, EVENTS, FIRST_DAY, ITEMS, USERS, write_log

if TYPE_CHECKING:
    from recs_platform.pipeline.platform import Platform

PEER = Path(__file__).parent / "peers" / "features.sql"
AS_OF = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=UTC) + timedelta(days=DAYS + 1)
CANDIDATE_FEATURES = "features.candidate_features"


def all_features(folder: Path, scale: float) -> list[Row]:
    """Every model of `features` but that of candidate pairs, in one run, written to the lake."""
    count = apart(take_in_log, scale)
    platform = open_platform()
    seconds, slowest = timed(lambda: materialize_features(platform))
    for name, took in slowest:
        print(f"  {took:6.2f} s  {name}", flush=True)
    by_hand = apart(run_peer, platform.lake.files("raw.events"), platform.lake.files("raw.items"), folder / "peer")
    return [Row(ALL_FEATURES, seconds, count, "events", "the same columns written by hand", by_hand)]


def all_segments(_folder: Path, _scale: float) -> list[Row]:
    """Behavioural segments of everyone, from the features of `all_features`."""
    from recs_platform.pipeline.as_of_run import AsOfRun
    from recs_platform.pipeline.segments import segment_as_of

    platform = open_platform()
    with platform.model_run(AS_OF, datetime.now(UTC)) as run:
        run.materialize("segments.user_segments")
        reading, users = timed(lambda: run.frame("features.user_features").height)
        seconds, _ = timed(lambda: segment_as_of(AsOfRun(platform, AS_OF, datetime.now(UTC))))
    return [Row(ALL_SEGMENTS, seconds, users, "users", "reading their features", reading)]


def take_in_log(scale: float) -> int:
    """Lay a log of 10 M events times `scale` in the home that the environment names, and take it in."""
    platform, count = open_platform(), int(EVENTS * scale)
    write_log(
        platform.home.landing / "contract",
        events=count,
        users=int(USERS * scale),
        items=max(1000, int(ITEMS * scale)),
    )
    with platform.connection() as con:
        events.ingest(
            platform.home, platform.lake, platform.sources, con, now=datetime.now(UTC), progress=lambda _: None
        )
    return count


def materialize_features(platform: "Platform") -> list[tuple[str, float]]:
    """Seconds of each model, in the order they were computed."""
    names = [model.name for model in platform.models.of("features") if model.name != CANDIDATE_FEATURES]
    with platform.model_run(AS_OF, datetime.now(UTC)) as run:
        return [(name, timed(lambda name=name: run.materialize(name))[0]) for name in names]


def run_peer(event_files: list[str], item_files: list[str], folder: Path) -> float:
    """Seconds of the hand-written script over the same files, with the settings' threads and memory."""
    settings = open_platform().settings
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        con.execute(f"set threads = {settings.threads}")
        con.execute(f"set memory_limit = '{settings.memory_limit_gb}GB'")
        con.execute(f"set temp_directory = '{folder / 'spill'}'")
        con.execute(f"create view log as from read_parquet({event_files})")
        con.execute(f"create view catalogue as from read_parquet({item_files})")
        con.execute(f"set variable as_of = timestamptz '{AS_OF.isoformat()}'")
        script = PEER.read_text().replace("to '", f"to '{folder}/")
        seconds, _ = timed(lambda: con.execute(script))
    shutil.rmtree(folder)
    return seconds
