"""Whether the behavioural segments are the groups that worlds have planted, found from their logs alone.

`python -m benchmarks.segments [--users 1000] [--events 400000] [--seeds 7 8 9]` prints a Markdown table: how well the
clusters agree with the groups at whole and half separation, and whether one was named night-time and mobile.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks.homes import kept_or_temporary, print_table
from recs_platform.contracts import columns as c
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.pipeline.segments import USER_FEATURES, measures
from recs_platform.settings import Settings
from recs_platform.stages import segments
from recs_platform.stages.events import ingest
from recs_platform.stages.events.flag_updates import flag_events
from recs_platform.stages.segments.sklearn_adapter import adjusted_rand
from recs_platform.world import GROUP_NAMES, World, WorldConfig, simulate, write_landing

EVENTS_ENOUGH = 200  # of a user: about ten visits, impressions counted
SEPARATIONS = (1.0, 0.5)
NIGHT, NIGHT_WORDS = "night-time mobile", ("night-time", "mobile")
COLUMNS = [
    "separation", "seed", "users", "adjusted Rand", "of all", "clusters", "silhouette", "night-time mobile",
    "precision", "recall",
]  # fmt: skip


@dataclass(frozen=True)
class Recovery:
    """Agreement with the planted groups: over the users with EVENTS_ENOUGH (how many there are), and over all.

    `night_name` is the name of the cluster called night-time and mobile (of two, the larger one), None where none
    is; precision and recall of all so called are of the planted group, over the users with enough events.
    """

    users: int
    adjusted_rand: float
    adjusted_rand_of_all: float
    clusters: int
    silhouette: float | None
    night_name: str | None
    precision: float | None
    recall: float | None


def recover(home: Path, world: World) -> Recovery:
    """Land a world in a fresh home, take it in, judge bots, compute features as of its end, cluster, and compare."""
    platform = Platform(Settings(home=home, landing_settle_seconds=0), sql_folder())
    _take_in(platform, world)
    as_of = world.config.start + timedelta(days=world.config.days)
    measured = measures(platform)
    with platform.model_run(as_of, datetime.now(UTC), scratch=True) as run:
        features = run.frame(
            USER_FEATURES, list(dict.fromkeys([c.USER_ID, c.EVENT_COUNT, *(m.name for m in measured)]))
        )
    config = segments.SegmentConfig(**platform.settings.segments.model_dump())
    found = segments.segment_users(features, measured, config, seed=platform.settings.seed)
    groups = pl.DataFrame({c.USER_ID: world.truth.user_ids, "group": world.truth.group})
    active = found.members.join(groups, on=c.USER_ID).join(
        features.filter(pl.col(c.EVENT_COUNT) > 0).select(c.USER_ID, c.EVENT_COUNT), on=c.USER_ID
    )
    return _compare(active, found)


def _take_in(platform: Platform, world: World) -> None:
    write_landing(world, platform.home.landing / "world")
    now = datetime.now(UTC)
    with platform.connection() as con:
        ingest(platform.home, platform.lake, platform.sources, con, now=now, progress=lambda _: None)
    later = datetime.now(UTC)
    with platform.model_run(later, later) as run:
        flag_events(platform.home, platform.lake, run, now=later, progress=lambda _: None)


def _compare(active: pl.DataFrame, found: segments.Segmentation) -> Recovery:
    known = active.filter(pl.col(c.EVENT_COUNT) >= EVENTS_ENOUGH)
    chosen = found.choice.chosen
    is_planted = known["group"] == GROUP_NAMES.index(NIGHT)
    is_night = known.select(pl.all_horizontal(_says(word) for word in NIGHT_WORDS)).to_series()
    name = None if not is_night.any() else str(known.filter(is_night)[c.SEGMENT_NAME].mode().sort()[0])
    both = int((is_night & is_planted).sum())
    return Recovery(
        users=known.height,
        adjusted_rand=_agreement(known),
        adjusted_rand_of_all=_agreement(active),
        clusters=len(found.segmenter.clusters),
        silhouette=None if chosen is None else chosen.silhouette,
        night_name=name,
        precision=None if name is None else both / int(is_night.sum()),
        recall=None if name is None else both / int(is_planted.sum()),
    )


def _says(word: str) -> pl.Expr:
    return pl.col(c.SEGMENT_NAME).str.to_lowercase().str.contains(word, literal=True)


def _agreement(members: pl.DataFrame) -> float:
    codes = members[c.SEGMENT_ID].rank("dense").cast(pl.Int64).to_numpy()
    return adjusted_rand(members["group"].cast(pl.Int64).to_numpy(), codes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Planted groups against the behavioural segments.")
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options = parser.parse_args(arguments)
    rows: list[list[object]] = []
    with kept_or_temporary(None) as parent:
        for separation in SEPARATIONS:
            for seed in options.seeds:
                config = WorldConfig(users=options.users, events=options.events, seed=seed, group_separation=separation)
                found = recover(parent / config.key, simulate(config))
                rows.append([
                    separation, seed, found.users, found.adjusted_rand, found.adjusted_rand_of_all, found.clusters,
                    found.silhouette, found.night_name, found.precision, found.recall,
                ])  # fmt: skip
    print(f"Users with at least {EVENTS_ENOUGH} events of {options.users}; {options.events} events in all.\n")
    print_table(COLUMNS, rows)


if __name__ == "__main__":
    main()
