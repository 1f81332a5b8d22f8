"""One trial of ingestion under SIGKILL: random landings, killed children, and what the reference says in the end.

An attempt's `now` reaches the ledger with every file it ingested, so the ledger says which attempts were committed;
the reference then ingests what lay in landing at each of them, whole.
"""

import os
import random
import shutil
import signal
import statistics
import time
from dataclasses import dataclass, field
from datetime import timedelta

from recs_platform_tests.ingestion.batches import START, Author, land
from recs_platform_tests.ingestion.children import ChildError
from recs_platform_tests.ingestion.lakes import differences, imbalances, taken_in_at
from recs_platform_tests.ingestion.reference import Reference

FIRST_NOW = START + timedelta(days=100)
BEFORE, STAGING, WRITING, SEALED, OVER, AT_ONCE = PHASES = (
    "before it read a file",
    "while rows were staged",
    "while the batch was written",
    "after it was sealed",
    "after the last step",
    "two at once",
)
_TWO_AT_ONCE = 0.2
_AIMED = 0.25
_SEALED_SECONDS = 0.08
_LEFT_ALONE = 0.5
_STEPS_MIN = 3


@dataclass
class Tally:
    """What the trials so far met; `kills` are SIGKILLs that ended a child at work, by the phase it was in."""

    trials: int = 0
    attempts: int = 0
    at_once: int = 0
    kills: dict = field(default_factory=lambda: dict.fromkeys(PHASES, 0))
    rows: int = 0
    faults: list = field(default_factory=list)
    seconds: dict = field(default_factory=lambda: {True: [], False: []})

    @property
    def killed(self):
        return sum(self.kills.values())

    def usual_seconds(self, is_first):
        """Duration of an undisturbed ingestion: the first one of a home makes all the tables."""
        return statistics.median(self.seconds[is_first] or self.seconds[not is_first] or [0.5])


@dataclass
class _Trial:
    nursery: object
    home: object
    rng: random.Random
    tally: Tally
    landing: dict = field(default_factory=dict)
    landing_at: dict = field(default_factory=dict)

    def add(self, files):
        land(self.home, files)
        self.landing |= files

    def next_now(self):
        now = FIRST_NOW + timedelta(minutes=len(self.landing_at))
        self.landing_at[now] = dict(self.landing)
        self.tally.attempts += 1
        return now

    def is_first(self):
        return not (self.home / "lake").exists()

    def undisturbed(self):
        is_first, started = self.is_first(), time.monotonic()
        report = self.nursery.ingest(self.home, self.next_now())
        if report["batch"] is not None:
            self.tally.seconds[is_first].append(time.monotonic() - started)

    def disturbed(self, turn, turns):
        """Start one ingestion or two, kill them at random in that part of their time; returns how many were hit."""
        usual = self.tally.usual_seconds(self.is_first())
        count = 2 if self.rng.random() < _TWO_AT_ONCE else 1
        self.tally.at_once += count == 2
        children = [self.nursery.start(self.home, self.next_now()) for _ in range(count)]
        killed = 0
        for child in children[: self.rng.randint(1, count)]:
            time.sleep(usual * (turn + self.rng.random()) / turns)
            if self.rng.random() < _AIMED:
                self._await_seal(usual)
            os.kill(child[0], signal.SIGKILL)
            ended = self.nursery.wait(child)
            if ended.is_killed:
                self.tally.kills[phase(self.home) if count == 1 else AT_ONCE] += 1
            killed += ended.is_killed
            children.remove(child)
        for child in children:
            ended = self.nursery.wait(child)
            if ended.report is None:
                raise ChildError(ended.error)
        return killed

    def _await_seal(self, seconds):
        """Wait for a sealed batch, and a random moment more: most kills would miss so short a time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if any((self.home / "batches").glob("*.sealed")):
                time.sleep(self.rng.uniform(0, _SEALED_SECONDS))
                return
            time.sleep(0.001)

    def judge(self):
        """What is wrong in the end, as sentences."""
        reference = Reference()
        for now in taken_in_at(self.home):
            reference.ingest(self.landing_at[now], now)
        self.tally.rows += len(reference.appended["events"])
        unsure = [f"{reference.unsure} rows on which readers may differ"] if reference.unsure else []
        left = [f"never ingested: {name}" for name in reference.pending(self.landing)]
        return unsure + left + differences(reference, self.home) + imbalances(self.home)


def try_kills(nursery, folder, seed, kills, tally, rows_max=40):
    """One home, ingestions killed `kills` times over, then a last one. Faults found are added to `tally`."""
    home, rng = folder / f"trial-{seed}", random.Random(seed)  # noqa: S311 - a seeded trial
    trial, author = _Trial(nursery, home, rng, tally), Author(rng, rows_max)
    struck, turn, steps = 0, 0, 0
    while struck < kills or steps < _STEPS_MIN:
        trial.add(author.step())
        steps += 1
        for _ in range(rng.randint(1, 3) if struck < kills else 0):
            struck += trial.disturbed(turn % kills, kills)
            turn += 1
            found = imbalances(home)
            tally.faults += [f"seed {seed}, after a kill: {fault}" for fault in found]
        if rng.random() < _LEFT_ALONE:
            trial.undisturbed()
    trial.undisturbed()
    tally.trials += 1
    found = [f"seed {seed}: {fault}" for fault in trial.judge()]
    tally.faults += found
    if not found:
        shutil.rmtree(home)


def phase(home):
    """What a child was at when it was killed, told by what it left behind."""
    batches = {path.suffix for path in (home / "batches").glob("*")}
    if ".sealed" in batches:
        return SEALED
    if ".tmp" not in batches:
        return STAGING if (home / "tmp" / "ingest").exists() else BEFORE
    has_ledger = any((home / "batches").glob("*.tmp/ingestions.parquet"))
    return OVER if has_ledger else WRITING
