"""A policy held against the log: codes, estimates, overlap, and who was left out."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.tables import EventType
from recs_platform.contracts.time import as_of_key
from recs_platform.evaluation import off_policy
from recs_platform.pipeline.off_policy.log import REWARD, last_logged, read_log
from recs_platform.pipeline.off_policy.policies import find_policy, policy_lists
from recs_platform.pipeline.platform import Platform

_REQUEST, _USER, _ITEM, _PLACE, _SHARE, _SEALED = "_request", "_user", "_item", "_place", "_share", "_sealed"


@dataclass(frozen=True)
class Asked:
    """What to evaluate on which part of the log; None where it follows from the rest."""

    policy: str
    as_of: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    metric: EventType = EventType.CLICK
    k: int | None = None


@dataclass(frozen=True)
class OffPolicyResult:
    """What came of it. `logged`: mean reward of what was shown. Users without a list of the policy are left out."""

    policy: str
    release_id: str
    as_of: datetime
    start: datetime
    end: datetime
    metric: str
    k: int
    estimates: tuple[off_policy.Estimate, ...]
    overlap: off_policy.Overlap
    logged: off_policy.Estimate
    users: int
    users_without_list: int

    def numbers(self) -> dict[str, Any]:
        """All of it as plain values, NaN as None."""
        n, verdict = self.overlap.n_rows, self.overlap.verdict
        return {
            "policy": self.policy,
            c.RELEASE_ID: self.release_id,
            c.AS_OF: as_of_key(self.as_of),
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            c.METRIC: self.metric,
            c.K: self.k,
            c.VERDICT: verdict,
            "lacks": list(self.overlap.lacks),
            "estimates": [_plain(asdict(each)) | {"n": n, c.VERDICT: verdict} for each in self.estimates],
            "logged": _plain(asdict(self.logged)),
            "overlap": _plain({name: value for name, value in asdict(self.overlap).items() if name != "lacks"}),
            "users": self.users,
            "users_without_list": self.users_without_list,
        }


def evaluate_policy(platform: Platform, asked: Asked, known_at: datetime) -> OffPolicyResult:
    """Estimate what a policy would have earned on the log after it was made.

    Raises UsageError where the log asked for begins before the policy's as-of or ends before it begins, NotReady where
    no impression there has a propensity, or no user of them a list.
    """
    last = last_logged(platform, known_at)
    policy = find_policy(platform, asked.policy, asked.as_of, last)
    as_of, k = policy.release.as_of, asked.k or platform.settings.k
    start, end = asked.start or as_of, asked.end or last + timedelta(microseconds=1)
    if start < as_of:
        raise UsageError(
            f"lists as of {as_of_key(as_of)} were made from what happened before; --from must be "
            f"{as_of_key(as_of)} or later, not {as_of_key(start)}"
        )
    if end <= start and asked.end is not None:
        raise UsageError(f"--to {as_of_key(end)} is not after {as_of_key(start)}")
    log = read_log(platform, start, max(end, start), known_at, asked.metric)
    users = log[c.USER_ID].unique().sort()
    lists = policy_lists(platform, policy, users, k)
    rows = log.join(lists.select(c.USER_ID).unique(), on=c.USER_ID, how="semi", maintain_order="left")
    if rows.is_empty():
        raise NotReady(
            f"none of the {len(users)} users of the log has a list of {asked.policy} as of {as_of_key(as_of)}"
        )
    estimates, overlap, logged = held_against(rows, lists, platform.settings.seed)
    return OffPolicyResult(
        asked.policy, policy.release.version, as_of, start, end, str(asked.metric), k,
        estimates=estimates,
        overlap=overlap,
        logged=logged,
        users=lists[c.USER_ID].n_unique(),
        users_without_list=len(users) - lists[c.USER_ID].n_unique(),
    )  # fmt: skip


def held_against(
    rows: pl.DataFrame, lists: pl.DataFrame, seed: int
) -> tuple[tuple[off_policy.Estimate, ...], off_policy.Overlap, off_policy.Estimate]:
    """Estimates of lists (user_id, item_id) on rows of a log, how far it shows them, and what it earned itself.

    `propensity` of lists, where they have it: the chance with which an item came into its list, as it was drawn once.
    """
    known = _as_drawn(rows, lists) if c.PROPENSITY in lists.columns else rows
    held = off_policy.hold_against(*_codes(known, lists), seed)
    return off_policy.estimate_all(*held), off_policy.judge_overlap(held[0]), off_policy.logged_value(held[0])


def _as_drawn(rows: pl.DataFrame, lists: pl.DataFrame) -> pl.DataFrame:
    """Rows of a log, those of requests that showed these very lists with the chance 1.

    Lists are held against the log as they were drawn. What was shown of another draw has the chance of its own; but
    once a list was drawn, its requests show nothing else, and a chance that is divided by would count its items twice
    and more. Such a request is one whose every item is in the list of its user with the same chance;
    another draw may come to the same, so that the log is that of the lists only where most requests are such.
    """
    sealed = lists.select(c.USER_ID, c.ITEM_ID, pl.col(c.PROPENSITY).alias(_SEALED))
    is_same = (pl.col(c.PROPENSITY) == pl.col(_SEALED)).fill_null(value=False)
    found = rows.join(sealed, on=[c.USER_ID, c.ITEM_ID], how="left", maintain_order="left")
    of_lists = found.select(is_same.all().over(c.REQUEST_ID, c.USER_ID)).to_series()
    if of_lists.sum() * 2 <= len(of_lists):
        return rows
    return rows.with_columns(pl.when(of_lists).then(1.0).otherwise(c.PROPENSITY).alias(c.PROPENSITY))


def _codes(rows: pl.DataFrame, lists: pl.DataFrame) -> tuple[off_policy.ShownItems, off_policy.TargetPolicy]:
    """Log and lists as dense codes; a list shows each of its items equally often.

    Places count where each request showed one item; in lists, whose propensity is that of being there at all, not.
    """
    users = rows.select(pl.col(c.USER_ID).unique().sort()).with_row_index(_USER)
    items = rows.select(pl.col(c.ITEM_ID).unique().sort()).with_row_index(_ITEM)
    coded = (
        rows.with_columns(
            pl.struct(c.REQUEST_ID, c.USER_ID).rank("dense").cast(pl.Int64).sub(1).alias(_REQUEST),
            pl.col(c.POSITION).fill_null(0).rank("dense").cast(pl.Int64).sub(1).alias(_PLACE),
        )
        .join(users, on=c.USER_ID)
        .join(items, on=c.ITEM_ID)
        .sort(_REQUEST, _ITEM)
    )
    requests = coded.group_by(_REQUEST).agg(pl.col(_USER, _PLACE).first()).sort(_REQUEST)
    one_each = requests.height == coded.height
    share = (1.0 / pl.len().over(_USER)).alias(_SHARE)
    listed = lists.join(users, on=c.USER_ID).join(items, on=c.ITEM_ID, how="left").with_columns(share)
    listed = listed.sort(_USER, c.ITEM_ID)
    owner = _int64(requests[_USER])
    place = _int64(requests[_PLACE]) if one_each else np.zeros(requests.height, dtype=np.int64)
    shown = off_policy.ShownItems(
        _int64(coded[_REQUEST]), _int64(coded[_ITEM]), coded[REWARD].to_numpy(), coded[c.PROPENSITY].to_numpy(), owner,
        place,
    )  # fmt: skip
    target = off_policy.TargetPolicy(
        _int64(listed[_USER]), _int64(listed[_ITEM].cast(pl.Int64).fill_null(-1)), listed[_SHARE].to_numpy(), owner
    )
    return shown, target


def _int64(values: pl.Series) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return values.to_numpy().astype(np.int64)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in values.items()}
