"""A log held against a target policy: how much the target shows of what was shown, and what is expected of the rest."""

from dataclasses import dataclass

import numpy as np

from recs_platform.evaluation.off_policy.estimators import Expectation
from recs_platform.evaluation.off_policy.log import Codes, Floats, LoggedRewards
from recs_platform.evaluation.off_policy.reward_model import RewardModel, fit_reward_model


@dataclass(frozen=True, eq=False)
class ShownItems:
    """A log in codes from 0: rows (n,) are shown items, `cluster` and `place_of_request` are (n_requests,).

    `place_of_request`: where the item of the request stood, 0 everywhere where requests show several items.
    """

    request: Codes
    item: Codes
    reward: Floats
    propensity: Floats
    cluster: Codes
    place_of_request: Codes


@dataclass(frozen=True, eq=False)
class TargetPolicy:
    """What the target shows: rows (m,) of list, item and the item's share of the list; shares of a list sum to 1.

    `item` is -1 for one that the log never shows. `list_of_request` (n_requests,): the list that the target would have
    shown; one a user, or one a place, as the policy goes. No list has an item twice.
    """

    listed: Codes
    item: Codes
    share: Floats
    list_of_request: Codes


def hold_against(shown: ShownItems, policy: TargetPolicy, seed: int) -> tuple[LoggedRewards, Expectation]:
    """The arrays that estimators work on; the reward model is fitted on the same log, across users."""
    place = shown.place_of_request[shown.request]
    user = shown.cluster[shown.request]
    model = fit_reward_model(user, shown.item, place, shown.reward, seed)
    of_target, asked, never = _expect_of_lists(shown, policy, model)
    per_row = np.divide(asked, model.counts, out=np.zeros(asked.shape), where=model.counts > 0)
    log = LoggedRewards(shown.request, shown.cluster, shown.reward, shown.propensity, _shares(shown, policy), never)
    return log, Expectation(model.predict(user, shown.item, place), of_target, per_row[shown.item, place])


def _shares(shown: ShownItems, policy: TargetPolicy) -> Floats:
    """The target's share of each shown item, (n,); 0 where its list lacks the item."""
    width = int(max(shown.item.max(initial=0), policy.item.max(initial=0))) + 1
    known = policy.item >= 0
    keys, shares = policy.listed[known] * width + policy.item[known], policy.share[known]
    if not len(keys):
        return np.zeros(len(shown.item))
    order = np.argsort(keys)
    asked = policy.list_of_request[shown.request] * width + shown.item
    at = np.minimum(np.searchsorted(keys, asked, sorter=order), len(keys) - 1)
    return np.where(keys[order[at]] == asked, shares[order[at]], 0.0)


def _expect_of_lists(shown: ShownItems, policy: TargetPolicy, model: RewardModel) -> tuple[Floats, Floats, Floats]:
    """By request the expected reward and the share never logged; by item and place how much the target shows it.

    Requests with one list, place and fold are alike and computed once. Returns `expected` (n_requests,), `asked`
    (n_items, n_places), `never` (n_requests,).
    """
    _, n_items, n_places = model.by_item.shape
    n_lists = int(policy.list_of_request.max(initial=-1)) + 1
    key = (model.fold[shown.cluster] * n_places + shown.place_of_request) * n_lists + policy.list_of_request
    kinds, first, kind, times = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    of_kind, rows = _rows_of(policy, policy.list_of_request[first])
    item, share, place = policy.item[rows], policy.share[rows], shown.place_of_request[first][of_kind]
    predicted = share * model.predict(shown.cluster[first][of_kind], item, place)
    known = item >= 0
    expected = np.bincount(of_kind, weights=predicted, minlength=len(kinds)).astype(np.float64)
    never = np.bincount(of_kind, weights=share * ~known, minlength=len(kinds)).astype(np.float64)
    asked = np.zeros(n_items * n_places)
    np.add.at(asked, (item * n_places + place)[known], (share * times[of_kind])[known])
    return expected[kind], asked.reshape(n_items, n_places), np.clip(never, 0.0, 1.0)[kind]


def _rows_of(policy: TargetPolicy, lists: Codes) -> tuple[Codes, Codes]:
    """The policy's rows of each of some lists: position in `lists`, and row number."""
    order = np.argsort(policy.listed, kind="stable")
    listed = policy.listed[order]
    start, end = np.searchsorted(listed, lists, side="left"), np.searchsorted(listed, lists, side="right")
    length = end - start
    position = np.repeat(np.arange(len(lists), dtype=np.int64), length)
    within = np.arange(len(position), dtype=np.int64) - np.repeat(np.cumsum(length) - length, length)
    return position, order[np.repeat(start, length) + within]
