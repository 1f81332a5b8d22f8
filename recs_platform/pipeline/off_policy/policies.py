"""Target policies: the lists that a release, or one source alone, had for users as of an instant."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import profiled_problem, run_config
from recs_platform.pipeline.retrieval.item_index import open_fit
from recs_platform.stages import releases, retrieval

FINAL, RELEASE_PREFIX = "final", "release:"


@dataclass(frozen=True)
class Policy:
    """What to evaluate: its name as it was asked for, and the release that says as of when, and with what knowledge."""

    name: str
    release: Manifest

    @property
    def is_release(self) -> bool:
        return self.name == FINAL or self.name.startswith(RELEASE_PREFIX)


def require_policy(name: str, as_of: datetime | None) -> None:
    """Raise UsageError for what is no policy, or an as-of beside a release, which has its own."""
    if name.startswith(RELEASE_PREFIX):
        if as_of is not None:
            raise UsageError(f"{name} has an as-of of its own: leave out --as-of")
        return
    known = (FINAL, *(source.name for source in retrieval.SOURCES))
    if name not in known:
        hint = did_you_mean(name, known) or f"; known: {', '.join(known)}, release:ID"
        raise UsageError(f"no policy {name!r}{hint}")


def find_policy(platform: Platform, name: str, as_of: datetime | None, last_logged: datetime) -> Policy:
    """The policy as of an instant; by default of the last release before the log's last impression.

    Raises NotReady where there is no such release, RecsError for a release that is not known.
    """
    if name.startswith(RELEASE_PREFIX):
        return Policy(name, releases.find_release(platform.home, name.removeprefix(RELEASE_PREFIX)))
    sealed = releases.list_releases(platform.home)
    if as_of is not None:
        found = sealed.filter(pl.col(c.AS_OF) == as_of)
        if found.is_empty():
            key = as_of_key(as_of)
            raise NotReady(f"no release as of {key}; build it with `recs run --as-of {key}`")
    else:
        found = sealed.filter(pl.col(c.AS_OF) <= last_logged)
        if found.is_empty():
            raise NotReady(
                f"no release is older than the log's last impression with a propensity ({last_logged:%Y-%m-%d %H:%M}), "
                "and lists cannot be held against a log they were made from; build an earlier one with "
                "`recs run --as-of DATE`"
            )
    return Policy(name, releases.find_release(platform.home, found[c.RELEASE_ID][-1]))


def policy_lists(platform: Platform, policy: Policy, users: pl.Series, k: int) -> pl.DataFrame:
    """The first `k` items that the policy has for each of `users`: user_id, item_id; users without a list have no row.

    `propensity`, of a release alone: the chance with which the item came into its list.

    Raises UsageError for a source that is not enabled, NotReady where what it needs is not there as of the release.
    """
    if policy.is_release:
        return releases.read_items_of(platform.home, policy.release.version, users, k).sort(c.USER_ID, c.ITEM_ID)
    run = AsOfRun(platform, policy.release.as_of, policy.release.known_at, keeps_events=False)
    try:
        return _source_lists(run, policy.name, users, k)
    finally:
        run.close()


def _source_lists(run: AsOfRun, name: str, users: pl.Series, k: int) -> pl.DataFrame:
    config = run_config(run)
    source = next((each for each in config.configured_sources() if each.name == name), None)
    if source is None:
        raise UsageError(f"the source {name!r} is not enabled; see retrieval.sources in recs.toml")
    if isinstance(source, retrieval.VectorSource):
        fit = open_fit(run)
    else:
        settings = run.platform.settings
        fit = retrieval.RetrievalFit(profiled_problem(run), {}, config, settings.seed, settings.threads)
    known = pl.Series(c.USER_ID, fit.problem.user_ids.tolist(), pl.String)
    targets = np.flatnonzero(known.is_in(users.implode()).to_numpy()).astype(np.int32)
    lists = retrieval.retrieve_source(fit, source, targets, k)
    items = pl.Series(c.ITEM_ID, fit.problem.item_ids.tolist(), pl.String)
    return pl.DataFrame({c.USER_ID: known.gather(lists.users), c.ITEM_ID: items.gather(lists.items)})
