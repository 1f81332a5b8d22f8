"""Whether lists that follow sessions, and learn of the stream, find the next item better: a replay event by event.

`python -m benchmarks.session_replay HOME --tune DATE … --report DATE … [--days 7] [--without-learning]`: HOME holds
their releases. Weights are chosen on what followed the first dates, and what is printed followed the second.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.session_rivals import GAP_SECONDS, Markov, Offer, Vsknn, choices, past_sessions
from benchmarks.timing import SEED
from recs_platform.contracts.home import Home
from recs_platform.contracts.serving_settings import ServingSettings
from recs_platform.contracts.time import parse_instant
from recs_platform.evaluation.bootstrap import cluster_intervals
from recs_platform.serving.learning import Influence, Learned
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.serving.sessions import Sessions
from recs_platform.stages.releases import list_releases
from recs_platform.stages.releases.bundle import Bundle, open_bundle
from recs_platform.stages.releases.bundle.encoding import TRANSITION

K = 10
WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)
DEFAULT = ServingSettings().session_weight
SHARES = (0.0, 0.1, 0.2, 0.4)
HALF_LIVES_HOURS = (12, 48, 168)
_FOLLOWING = "following the session, default"


@dataclass
class Moment:
    """What is known when the next item is asked for. `is_first`: of a session, so that only earlier ones are known."""

    bundle: Bundle
    user: str
    sessions: Sessions
    learned: Mapping[int, Learned]
    recent: Sequence[str] = field(default_factory=list[str])
    is_first: bool = True


Ranker = Callable[[Moment], list[str]]
Step = tuple[float, bool, str]
Found = dict[str, list[Step]]


def served(weight: float, half_life_hours: int | None = None, factors: float = 0.0, popularity: float = 0.0) -> Ranker:
    """The list as it is served: stored until something happened, then re-scored, with what was learned or without."""

    def rank(at: Moment) -> list[str]:
        learned = None if half_life_hours is None else at.learned[half_life_hours]
        if learned is not None:
            learned.influence = Influence(factors, popularity)
        made = live_list(at.bundle, Asked(at.user, block=K), at.sessions.of(at.user), weight, learned=learned)
        return [at.bundle.item_ids[place.item] for place in made.page(0, K)]

    return rank


@cache
def silent(bundle: Bundle) -> Bundle:
    """The bundle as it is where nothing is said of what users turned to after an item."""
    kept = {name: array for name, array in bundle.arrays.items() if not name.startswith(TRANSITION)}
    return Bundle(bundle.manifest, kept, bundle.opted_out_keys)


def without_transitions(ranker: Ranker) -> Ranker:
    """The ranker where sessions move candidates by vectors and neighbours alone."""
    return lambda at: ranker(replace(at, bundle=silent(at.bundle)))


def batch(at: Moment) -> list[str]:
    """The list as it was released, whatever happened since."""
    made = live_list(at.bundle, Asked(at.user, block=K), None, 0.0)
    return [at.bundle.item_ids[place.item] for place in made.page(0, K)]


def popularity(at: Moment) -> list[str]:
    """What is popular, less what the user consumed and the session holds."""
    ranked: list[int] = at.bundle.fallback()[0][1].tolist()
    return _unknown(at, (at.bundle.item_ids[code] for code in ranked))


def rival(fit: Callable[[Sequence[Sequence[str]]], Offer], home: Home) -> Ranker:
    """A rival fitted on the sessions before the release; it is asked for items that may be shown."""

    @cache
    def fitted(as_of: datetime) -> Offer:
        return fit(past_sessions(home, as_of))

    def rank(at: Moment) -> list[str]:
        return _unknown(at, iter(fitted(at.bundle.manifest.as_of)(at.recent)))

    return rank


def _unknown(at: Moment, items: Iterator[str]) -> list[str]:
    user = at.bundle.user(at.user)
    consumed: set[int] = set() if user is None else set(at.bundle.consumed(user).tolist())
    hidden = {*at.recent, *(at.bundle.item_ids[code] for code in consumed)}
    found = list[str]()
    for item in items:
        code = at.bundle.item(item)
        if item not in hidden and code is not None and at.bundle.is_available[code]:
            found.append(item)
        if len(found) == K:
            break
    return found


def replay(home: Home, dates: Sequence[datetime], days: int, rankers: Mapping[str, Ranker]) -> Found:
    """By ranker: 1 over the place of the next item (0: not among the first ten), whether it began a session, and whose.

    Asked is at each step whose item is in the catalogue, available and new to the user.
    """
    found: Found = {name: [] for name in rankers}
    for date in dates:
        for at, item in moments(home, date, days):
            for name, ranker in rankers.items():
                offered = ranker(at)
                rank = 1.0 / (offered.index(item) + 1) if item in offered else 0.0
                found[name].append((rank, at.is_first, at.user))
    return found


def moments(home: Home, date: datetime, days: int) -> Iterator[tuple[Moment, str]]:
    """Each step to ask about, with its item, before the item is made known."""
    bundle, now = open_bundle(home, _release(home, date)), [0.0]
    sessions = Sessions(GAP_SECONDS, lambda: now[0], 1_000_000_000)
    learned = {hours: Learned(lambda: now[0], half_life_seconds=3600.0 * hours) for hours in HALF_LIVES_HOURS}
    for each in learned.values():
        each.follow(bundle.release_id, date.timestamp())
    recent = dict[str, tuple[float, list[str]]]()
    since_release = dict[str, set[str]]()
    for user, session_id, item, seconds in choices(home, date, date + timedelta(days=days)).iter_rows():
        now[0] = seconds
        since, items = recent.get(user, (seconds, []))
        items = items if seconds - since <= GAP_SECONDS else []
        mine, code = since_release.setdefault(user, set()), bundle.item(item)
        if item not in mine and code is not None and bundle.is_available[code] and not _is_known(bundle, user, code):
            yield Moment(bundle, user, sessions, learned, items, is_first=not items), item
        mine.add(item)
        sessions.add(user, item, "click", session_id or None)
        for each in learned.values():
            each.add(user, item, seconds)
        recent[user] = (seconds, [*items, item])


def _is_known(bundle: Bundle, user: str, item: int) -> bool:
    code = bundle.user(user)
    return code is not None and item in set(bundle.consumed(code).tolist())


def _release(home: Home, at: datetime) -> str:
    found = list_releases(home).filter(pl.col("as_of") == at)["release_id"].to_list()
    if not found:
        raise SystemExit(f"{home.root} has no release as of {at:%Y-%m-%d}; build it with `recs run --as-of`")
    return str(found[-1])


def values_of(found: list[Step], *, first: bool | None = None) -> NDArray[np.float64]:
    return np.array([rank for rank, is_first, _ in found if first in (None, is_first)])


def table(found: Found) -> None:
    """Hit rate and MRR at 10: all steps, those that begin a session, and those within one."""
    print("| list | hit rate@10 | MRR@10 | first of a session: hits, MRR | within a session: hits, MRR |")
    print("|---|---|---|---|---|")
    for name, rows in found.items():
        parts = [values_of(rows), values_of(rows, first=True), values_of(rows, first=False)]
        said = [f"{float((each > 0).mean()):.4f}, {float(each.mean()):.4f}" for each in parts[1:]]
        print(f"| {name} | {float((parts[0] > 0).mean()):.4f} | {float(parts[0].mean()):.4f} | {said[0]} | {said[1]} |")
    rows = next(iter(found.values()))
    print(
        f"\n{len(rows)} steps of {len({user for *_, user in rows})} users, "
        f"{sum(is_first for _, is_first, _ in rows)} of them first"
    )


def gain(one: list[Step], other: list[Step]) -> str:
    """The difference in hit rate and MRR with 95 % intervals, in which users are drawn, not steps."""
    _, users = np.unique([user for *_, user in one], return_inverse=True)
    ranks, base = values_of(one), values_of(other)
    pairs = np.stack([(ranks > 0).astype(np.float64) - (base > 0), ranks - base], axis=1)
    found = cluster_intervals(users.astype(np.int64), pairs, seed=SEED)
    return ", ".join(
        f"{name} {found.value[at]:+.4f} [{found.low[at]:+.4f}, {found.high[at]:+.4f}]"
        for at, name in enumerate(("hit rate", "MRR"))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--tune", required=True, nargs="+", type=parse_instant)
    parser.add_argument("--report", required=True, nargs="+", type=parse_instant)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--without-learning", action="store_true", help="leave out what learns, which takes long")
    asked = parser.parse_args()
    home = Home(asked.home)
    plain = {f"session {weight:.1f}": served(weight) for weight in WEIGHTS}
    silent_ones = {f"{name}, without transitions": without_transitions(each) for name, each in plain.items()}
    learning = {} if asked.without_learning else _learning()
    kinds = {"following the session": plain, "without transitions": silent_ones, "learning too": learning}
    tuned = replay(home, asked.tune, asked.days, {"released list": batch, **plain, **silent_ones, **learning})
    best = {
        kind: max(names, key=lambda name: float(values_of(tuned[name]).mean()))
        for kind, names in kinds.items()
        if names
    }
    print(f"## chosen on {asked.days} days from each of {len(asked.tune)} dates\n")
    top = sorted(learning, key=lambda name: -float(values_of(tuned[name]).mean()))[:8]
    table({name: tuned[name] for name in ("released list", *plain, *silent_ones, *top)})
    rankers = {
        "released list": batch,
        _FOLLOWING: served(DEFAULT),
        "without transitions, the same weight": without_transitions(served(DEFAULT)),
        **{f"{kind}: {name}": kinds[kind][name] for kind, name in best.items()},
        "popularity": popularity,
        "VS-kNN": rival(lambda sessions: Vsknn.fit(sessions).offer, home),
        "Markov": rival(lambda sessions: Markov.fit(sessions).offer, home),
    }
    if learning:
        rankers["learning too, default"] = served(DEFAULT, 48, Influence().factors, Influence().popularity)
    found = replay(home, asked.report, asked.days, rankers)
    print(f"\n## {asked.days} days from each of {len(asked.report)} dates\n")
    table(found)
    print()
    for name in found:
        if name != _FOLLOWING:
            print(f"{name}, less following the session: {gain(found[name], found[_FOLLOWING])}")


def _learning() -> dict[str, Ranker]:
    return {
        f"session {weight:.1f}, half-life {hours} h, factors {f:.1f}, popularity {p:.1f}": served(weight, hours, f, p)
        for weight, hours, f, p in product((0.6, 0.8), HALF_LIVES_HOURS, SHARES, SHARES)
        if f + p and not (f == 0.4 and p == 0.4)
    }


if __name__ == "__main__":
    main()
