"""Whether lists that follow the session find the next item better: sessions replayed event by event after an as-of.

`python -m benchmarks.session_replay HOME --tune DATE … --report DATE … [--days 7]`: HOME holds their releases. The
weight of the session is chosen on what followed the first dates, and what is printed followed the second.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import EVENTS
from recs_platform.contracts.time import parse_instant
from recs_platform.lake.tables import Lake
from recs_platform.serving.lists import Asked, live_list
from recs_platform.serving.sessions import Sessions
from recs_platform.stages.releases import list_releases
from recs_platform.stages.releases.bundle import Bundle, open_bundle

K = 10
WEIGHTS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
Ranker = Callable[[Bundle, str, Sessions, Sequence[str]], list[str]]


def steps(home: Home, start: datetime, end: datetime) -> Iterator[tuple[str, str, str, float]]:
    """User, session, item and seconds of what was chosen in a period, by time; the same item again in a row once."""
    rows = (
        pl.scan_parquet(Lake(home.lake).files(EVENTS.name))
        .filter(pl.col("occurred_at").is_between(start, end, closed="left"))
        .filter(~pl.col("event_type").is_in(["impression", "dismiss"]))
        .select("user_id", pl.col("session_id").fill_null(""), "item_id", pl.col("occurred_at").dt.epoch("us") / 1e6)
        .sort("occurred_at", "user_id", "item_id")
        .collect()
    )
    last = dict[str, str]()
    for user, session, item, seconds in rows.iter_rows():
        if last.get(user) != item:
            yield user, session, item, seconds
        last[user] = item


def followed(weight: float) -> Ranker:
    """The list as it is served: stored until something happened, then re-scored."""

    def rank(bundle: Bundle, user: str, sessions: Sessions, _recent: Sequence[str]) -> list[str]:
        made = live_list(bundle, Asked(user, block=K), sessions.of(user), weight)
        return [bundle.item_ids[place.item] for place in made.page(0, K)]

    return rank


def batch(bundle: Bundle, user: str, _sessions: Sessions, _recent: Sequence[str]) -> list[str]:
    """The list as it was released, whatever happened since."""
    return [bundle.item_ids[place.item] for place in live_list(bundle, Asked(user, block=K), None, 0.0).page(0, K)]


def popularity(bundle: Bundle, _user: str, _sessions: Sessions, recent: Sequence[str]) -> list[str]:
    """What is popular, less what the session holds."""
    ranked: list[int] = bundle.fallback()[0][1].tolist()
    return [item for code in ranked if (item := bundle.item_ids[code]) not in recent][:K]


def neighbours(bundle: Bundle, _user: str, _sessions: Sessions, recent: Sequence[str]) -> list[str]:
    """Neighbours of the last item alone."""
    code = bundle.item(recent[-1]) if recent else None
    found: list[int] = [] if code is None else bundle.neighbours(code)[0].tolist()
    return [item for each in found if (item := bundle.item_ids[each]) not in recent][:K]


def replay(home: Home, dates: Sequence[datetime], days: int, ranker: Ranker) -> tuple[float, float, int]:
    """Hit rate and MRR at 10 of the next item within a session, and how many steps were asked, all dates together."""
    values = np.array([rank for at in dates for rank in reciprocal_ranks(home, at, days, ranker)])
    return float((values > 0).mean()), float(values.mean()), len(values)


def reciprocal_ranks(home: Home, at: datetime, days: int, ranker: Ranker) -> list[float]:
    """1 over the place of the next item, 0 where it is not among the first ten, for each step after a date.

    Asked is at each step but the first of a session, where the next item is new to the session and in the catalogue.
    """
    bundle = open_bundle(home, _release(home, at))
    now = [0.0]
    sessions = Sessions(1800.0, lambda: now[0])
    recent = dict[str, tuple[float, list[str]]]()
    ranks = list[float]()
    for user, session_id, item, seconds in steps(home, at, at + timedelta(days=days)):
        now[0] = seconds
        since, items = recent.get(user, (seconds, []))
        items = items if seconds - since <= 1800 else []
        if items and item not in items and bundle.item(item) is not None and not _is_known(bundle, user, item):
            found = ranker(bundle, user, sessions, items)
            ranks.append(1.0 / (found.index(item) + 1) if item in found else 0.0)
        sessions.add(user, item, "click", session_id or None)
        recent[user] = (seconds, [*items, item])
    return ranks


def _is_known(bundle: Bundle, user: str, item: str) -> bool:
    code, place = bundle.user(user), bundle.item(item)
    return code is not None and place in set(bundle.consumed(code).tolist())


def _release(home: Home, at: datetime) -> str:
    found = list_releases(home).filter(pl.col("as_of") == at)["release_id"].to_list()
    if not found:
        raise SystemExit(f"{home.root} has no release as of {at:%Y-%m-%d}; build it with `recs run --as-of`")
    return str(found[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--tune", required=True, nargs="+", type=parse_instant)
    parser.add_argument("--report", required=True, nargs="+", type=parse_instant)
    parser.add_argument("--days", type=int, default=7)
    asked = parser.parse_args()
    home = Home(asked.home)
    tuned = {weight: replay(home, asked.tune, asked.days, followed(weight)) for weight in WEIGHTS}
    print(f"chosen on {tuned[0.0][2]} steps in {asked.days} days from each of {len(asked.tune)} dates:")
    for weight, (hits, mrr, _) in tuned.items():
        print(f"  weight {weight:.1f}: hit rate {hits:.4f}, MRR {mrr:.4f}")
    best = max(WEIGHTS, key=lambda weight: tuned[weight][1])
    rankers = {
        f"following the session, weight {best}": followed(best),
        "released list": batch,
        "popularity": popularity,
        "neighbours of the last item": neighbours,
    }
    period = f"{asked.days} days from each of {len(asked.report)} dates"
    print(f"\n| {period} | hit rate@10 | MRR@10 | steps |\n|---|---|---|---|")
    for name, ranker in rankers.items():
        hits, mrr, count = replay(home, asked.report, asked.days, ranker)
        print(f"| {name} | {hits:.4f} | {mrr:.4f} | {count} |")


if __name__ == "__main__":
    main()
