"""Champions: which sealed ranker may score an as-of, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key, parse_instant

LABELS_END = "labels_end"


@dataclass(frozen=True)
class Considered:
    """One sealed ranker, the end of its last label window, and whether that lies in the past of the as-of."""

    version: str
    labels_end: datetime
    is_allowed: bool


@dataclass(frozen=True)
class ChampionChoice:
    """The champion, one sentence why, and every ranker looked at, best first."""

    manifest: Manifest
    reason: str
    considered: tuple[Considered, ...]


def choose_champion(manifests: Sequence[Manifest], as_of: datetime) -> ChampionChoice:
    """Choose the ranker with the latest labels that end by the as-of.

    Only rankers whose `parameters["labels_end"]` (an instant or its ISO text) is at most `as_of`; of those the
    greatest `labels_end`, then the latest `fold` of users' histories, then the latest `known_at`, then the greatest
    version, in whatever order they come.

    Raises:
        NotReady: No ranker is old enough; the message counts those that are too young.
        ContractError: A manifest lacks `labels_end`.
    """
    ordered = sorted(manifests, key=_rank_key, reverse=True)
    considered = tuple(Considered(each.version, _labels_end(each), _labels_end(each) <= as_of) for each in ordered)
    allowed = [each for each in ordered if _labels_end(each) <= as_of]
    if not allowed:
        raise NotReady(
            f"no ranker has labels that end by {as_of_key(as_of)} ({len(ordered)} end later);"
            " materialize `ranking` for this as-of first"
        )
    reason = (
        f"labels end {as_of_key(_labels_end(allowed[0]))}, the latest by {as_of_key(as_of)}, of {len(ordered)} sealed"
        f" rankers; {len(ordered) - len(allowed)} would have known the future"
    )
    return ChampionChoice(allowed[0], reason, considered)


def _rank_key(manifest: Manifest) -> tuple[datetime, int, datetime, str]:
    return _labels_end(manifest), manifest.parameters.get(c.FOLD, 0), manifest.known_at, manifest.version


def _labels_end(manifest: Manifest) -> datetime:
    value = manifest.parameters.get(LABELS_END)
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return parse_instant(value)
    raise ContractError(f"the manifest of {manifest.name} {manifest.version} lacks parameters[{LABELS_END!r}]")
