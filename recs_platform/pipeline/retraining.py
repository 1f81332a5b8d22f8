"""When a ranker is trained anew beside the builds: once for each episode of drift, and weekly where there is new data.

An episode begins with an as-of whose drift reports warn, and ends after so many quiet ones. The decision is made here,
from stored verdicts alone; runs are asked for in `defs.retraining`.
"""
# ruff: noqa: S608  names come from contracts

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import ACTIVITY_DRIFT, DRIFT, VERDICTS
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.lake.artifacts import sealed_versions
from recs_platform.pipeline.data_versions import last_ingestion
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import ranking
from recs_platform.stages.reports import DRIFT_REPORTS
from recs_platform.stages.reports.drift import QUARANTINE, RETRAIN
from recs_platform.stages.reports.verdicts import NO_DATA, worst

_ALARMS = ("warn", "block")


@dataclass(frozen=True)
class DriftVerdict:
    """What the drift reports of an as-of said: the gravest verdict, its sentences, what they propose.

    `proposes_training`: some row proposes `retrain`, none `quarantine`, and nothing blocks.
    """

    as_of: datetime
    verdict: str
    said: str = ""
    proposes_training: bool = False

    @property
    def is_alarmed(self) -> bool:
        return self.verdict in _ALARMS


@dataclass(frozen=True)
class Episode:
    """How far verdicts were read, and the episode that is open: its first as-of, the last one to train on; else none.

    `quiet`: as-ofs without an alarm since the last one. `is_retrained`: whether a run for it succeeded.
    """

    seen: datetime | None = None
    began: datetime | None = None
    alarmed: datetime | None = None
    quiet: int = 0
    is_retrained: bool = False

    def to_cursor(self) -> str:
        """As text that `of_cursor` reads."""
        instants = {"seen": self.seen, "began": self.began, "alarmed": self.alarmed}
        texts = {name: None if at is None else at.isoformat() for name, at in instants.items()}
        return json.dumps({**texts, "quiet": self.quiet, "is_retrained": self.is_retrained})

    @classmethod
    def of_cursor(cls, text: str | None) -> "Episode":
        """The state of a sensor; a new one where it has none."""
        if not text:
            return cls()
        stored = json.loads(text)
        instants = {
            name: None if stored[name] is None else parse_instant(stored[name]) for name in ("seen", "began", "alarmed")
        }
        return cls(**instants, quiet=stored["quiet"], is_retrained=stored["is_retrained"])


def follow(state: Episode, verdicts: Iterable[DriftVerdict], quiet_as_ofs: int) -> Episode:
    """The state after all verdicts of as-ofs later than those read so far, in whatever order they are given.

    An alarm that proposes no training, for data that look broken, events that stopped or features that do not matter,
    begins no episode, but keeps an open one open. `no_data` is neither alarm nor quiet. An as-of built again, or one
    backfilled before what was read, changes nothing.
    """
    for verdict in sorted(verdicts, key=lambda each: each.as_of):
        if state.seen is None or verdict.as_of > state.seen:
            state = replace(_after(state, verdict, quiet_as_ofs), seen=verdict.as_of)
    return state


def of_what_is_kept(state: Episode, kept: Collection[datetime]) -> Episode:
    """The state where as-ofs were removed since they were read; `kept`: those that have verdicts.

    Verdicts count again from the newest kept one on: an as-of far ahead, built by mistake, silences nothing once it is
    removed. An episode that began with such a one is over; none is trained for as of an instant that is gone.
    """
    if state.seen is None or not kept:
        return state
    seen = min(state.seen, max(kept))
    if state.began is not None and state.began > seen:
        return Episode(seen=seen)
    is_gone = not state.is_retrained and state.alarmed not in kept
    return replace(state, seen=seen, alarmed=None if is_gone else state.alarmed)


def _after(state: Episode, verdict: DriftVerdict, quiet_as_ofs: int) -> Episode:
    is_open = state.began is not None
    if verdict.is_alarmed:
        if is_open:
            return replace(state, alarmed=verdict.as_of if verdict.proposes_training else state.alarmed, quiet=0)
        return Episode(began=verdict.as_of, alarmed=verdict.as_of) if verdict.proposes_training else state
    if verdict.verdict == NO_DATA or not is_open:
        return state
    quiet = state.quiet + 1
    return Episode() if quiet >= quiet_as_ofs else replace(state, quiet=quiet)


def drift_verdicts(platform: Platform) -> list[DriftVerdict]:
    """What is stored of the drift reports, by as-of."""
    said = [row for row in _rows(platform, VERDICTS.name, _JUDGED) if row[1] in DRIFT_REPORTS]
    proposals = {
        (row[0], row[1])
        for table in (DRIFT.name, ACTIVITY_DRIFT.name)
        for row in _rows(platform, table, (c.AS_OF, c.PROPOSAL))
    }
    found: list[DriftVerdict] = []
    for as_of in sorted({row[0] for row in said}):
        own = [row for row in said if row[0] == as_of]
        gravest = worst(row[3] for row in own)
        # One kind that cannot be compared yet leaves the others their word.
        verdict = "pass" if gravest == NO_DATA and any(row[3] == "pass" for row in own) else gravest
        text = " ".join(f"{row[2]}: {row[4]}" for row in own if row[3] in _ALARMS)
        proposed = (as_of, RETRAIN) in proposals and (as_of, QUARANTINE) not in proposals
        found.append(DriftVerdict(as_of, verdict, text, proposed and verdict != "block"))
    return found


_JUDGED = (c.AS_OF, c.REPORT, c.SUBJECT, c.VERDICT, c.MESSAGE)


def _rows(platform: Platform, table: str, columns: Sequence[str]) -> list[tuple[datetime, str, str, str, str]]:
    files = platform.lake.files(table) if platform.lake.exists(table) else []
    if not files:
        return []
    with platform.connection() as con:
        # A partition's value is text in its path.
        names = ", ".join(f"cast({name} as timestamptz)" if name == c.AS_OF else name for name in columns)
        text = f"select {names} from read_parquet(?, hive_partitioning => true) order by all"
        return con.execute(text, [files]).fetchall()


def trained_already(platform: Platform, at: datetime) -> str | None:
    """Why training as of an instant would learn nothing new, None where it may.

    That is: a ranker was trained for that as-of or a later one, and nothing was ingested since. One that is retired, or
    will be, for it learned from somebody who was forgotten, counts for none.
    """
    since, retired = last_ingestion(platform), ranking.read_overrides(platform.home.artifacts).retired
    known = [
        each
        for each in sealed_versions(platform.home.artifacts, ranking.RANKER)
        if each.as_of >= at and each.known_at >= since and each.version not in retired
    ]
    if not known:
        return None
    newest = max(known, key=lambda each: (each.sealed_at, each.version))
    return (
        f"no new data: ranker {newest.version} was trained for {as_of_key(newest.as_of)}, and nothing was ingested "
        f"since {since:%Y-%m-%d %H:%M}"
    )
