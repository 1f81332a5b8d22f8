"""Ways to order a user's candidates, and the rule that says which of them serves: never less than the best simple list.

How good each was at past cutoffs is measured in `pipeline.training.trials`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.stages.ranking.blending import RECIPROCAL_OFFSET
from recs_platform.stages.ranking.history_groups import HISTORY_GROUPS
from recs_platform.stages.ranking.scoring import order_of_users, ranks_of_users

RANKER_ALONE, MERGE = "ranker", "merge"
EVERYBODY = "all"
_BLEND_SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Contender:
    """An order of candidates: `model_share` of the ranker's, the rest of that of a source, or the merge's if None."""

    name: str
    source: str | None = None
    model_share: float = 0.0

    @property
    def is_ranker(self) -> bool:
        return self.model_share == 1


@dataclass(frozen=True, eq=False)
class Offers:
    """Candidates of whole users, a row each, users ascending: the ranker's scores, the merge's, ranks by source.

    `ranks`: int32 (n,) by source, 0 = not offered. `scores` float64 and `fused` float32 (n,), greater is better.
    """

    users: NDArray[np.int32]
    scores: NDArray[np.float64]
    fused: NDArray[np.float32]
    ranks: Mapping[str, NDArray[np.int32]]

    @cached_property
    def by_merge(self) -> NDArray[np.float64]:
        """Reciprocal ranks (n,) in the merge's order."""
        return _reciprocal_ranks(self.users, self.fused, self.fused)

    @cached_property
    def by_ranker(self) -> NDArray[np.float64]:
        """Reciprocal ranks (n,) in the ranker's order: trees tie often, and then the merge decides."""
        return _reciprocal_ranks(self.users, self.scores, self.fused)


class ChoiceConfig(BaseModel):
    """The rule, written before anything is tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    floor: Annotated[
        float, Field(ge=0, le=1, description="of the best simple list's NDCG at the worst cutoff, else not chosen")
    ] = 0.9
    users_min: Annotated[int, Field(ge=1, description="user windows below which nothing is chosen by trial")] = 60
    cutoff_users_min: Annotated[int, Field(ge=1, description="a cutoff of fewer users says nothing by itself")] = 20
    group_users_min: Annotated[int, Field(ge=1, description="and below which a group is served as everybody")] = 300


def contenders(sources: Sequence[str], simple: Sequence[str]) -> tuple[Contender, ...]:
    """All that compete, the simplest first: simple sources, others, the merge, the ranker, blends with popularity."""
    blended = [name for name in simple if name in sources][:1]
    ordered = [*(name for name in sources if name in simple), *(name for name in sources if name not in simple)]
    return (
        *(Contender(name, name) for name in ordered),
        Contender(MERGE),
        Contender(RANKER_ALONE, model_share=1.0),
        *(
            Contender(f"{RANKER_ALONE} {share:.0%}, {name} {1 - share:.0%}", name, share)
            for name in blended
            for share in _BLEND_SHARES
        ),
    )


def contender_scores(contender: Contender, offers: Offers) -> NDArray[np.float64]:
    """Score (n,) of each candidate, greater is better, comparable within a user only.

    A source's own order is 1 / (60 + rank), 0 for what it did not offer; what is left tied goes by the merge. A blend
    is the reciprocal-rank fusion (Cormack, Clarke and Büttcher 2009) of both orders, weighted by their shares.
    """
    if contender.is_ranker:
        return offers.scores
    other = _other_order(contender, offers)
    if not contender.model_share:
        return other
    return contender.model_share * offers.by_ranker + (1 - contender.model_share) * other


def choose_contenders(
    trials: pl.DataFrame, competing: Sequence[Contender], simple: Sequence[str], config: ChoiceConfig, *, default: str
) -> pl.DataFrame:
    """Say for everybody and for each group of users which contender orders their lists.

    The best simple list is the simple source with the greatest mean NDCG. Of the contenders whose NDCG is at least
    `floor` of the simple list's at every cutoff, the one with the greatest mean ratio to it leads; the simplest whose
    NDCG is within one standard error of the leader's (paired by user and cutoff; Breiman et al. 1984) is chosen. With
    too few users, everybody is served by `default`, and a group as everybody is.

    Args:
        trials: cutoff, user_id, history_group, contender, value (NDCG).
        competing: The contenders, the simplest first.
        simple: Names of simple sources.
        config: The rule's numbers.
        default: Name of the contender that serves where nothing can be chosen.

    Returns:
        Rows of `ranking.contenders` without as_of; the groups in order, contenders in the order given.
    """
    names = [contender.name for contender in competing]
    rows = [_judge(trials, names, simple, config, EVERYBODY, config.users_min, default)]
    everybody = rows[0].filter(c.IS_CHOSEN)[c.CONTENDER].item()
    rows += [
        _judge(
            trials.filter(pl.col(c.HISTORY_GROUP) == group),
            names,
            simple,
            config,
            group,
            config.group_users_min,
            everybody,
        )
        for group, _ in HISTORY_GROUPS
    ]
    return pl.concat(rows)


def _judge(
    trials: pl.DataFrame,
    names: Sequence[str],
    simple: Sequence[str],
    config: ChoiceConfig,
    group: str,
    users_min: int,
    default: str,
) -> pl.DataFrame:
    wide = _paired(trials, names)
    present = [name for name in names if name in wide.columns]
    chosen, reason = default, f"{wide.height} user windows, {users_min} needed"
    means: dict[str, float] = {name: float(wide[name].to_numpy().mean()) for name in present} if wide.height else {}
    ratios = _ratios(wide, present, simple, means, config.cutoff_users_min)
    if wide.height >= users_min and ratios:
        chosen, reason = _choose(wide, present, ratios, config)
    return pl.DataFrame(
        {
            c.HISTORY_GROUP: group,
            c.CONTENDER: names,
            c.NDCG: [means.get(name) for name in names],
            c.MEAN_RATIO: [float(ratios[name].mean()) if name in ratios else None for name in names],
            c.WORST_RATIO: [float(ratios[name].min()) if name in ratios else None for name in names],
            c.N_CUTOFFS: wide[c.CUTOFF].n_unique(),
            c.N_USERS: wide.height,
            c.IS_CHOSEN: [name == chosen for name in names],
            c.REASON: [reason if name == chosen else _why_not(ratios, name, config) for name in names],
        },
        schema_overrides={
            c.NDCG: pl.Float64,
            c.MEAN_RATIO: pl.Float64,
            c.WORST_RATIO: pl.Float64,
            c.N_CUTOFFS: pl.Int32,
        },
    )


def _paired(trials: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """One row a cutoff and user, a column a contender."""
    keys = [c.CUTOFF, c.USER_ID]
    values = [pl.col(c.VALUE).filter(pl.col(c.CONTENDER) == name).first().alias(name) for name in names]
    return trials.group_by(keys).agg(values).sort(keys).select(*keys, *names)


def _ratios(
    wide: pl.DataFrame,
    present: Sequence[str],
    simple: Sequence[str],
    means: Mapping[str, float],
    cutoff_users_min: int,
) -> dict[str, NDArray[np.float64]]:
    """Of each contender its NDCG over the best simple list's, by cutoff of enough users at which that list hits."""
    rivals = [name for name in present if name in simple]
    if not rivals or not wide.height:
        return {}
    best = max(rivals, key=lambda name: means[name])
    by_cutoff = wide.group_by(c.CUTOFF).agg(pl.col(present).mean(), pl.len().alias(c.N_USERS)).sort(c.CUTOFF)
    by_cutoff = by_cutoff.filter(pl.col(c.N_USERS) >= cutoff_users_min, pl.col(best) > 0)
    return {name: (by_cutoff[name] / by_cutoff[best]).to_numpy() for name in present} if by_cutoff.height else {}


def _choose(
    wide: pl.DataFrame, present: Sequence[str], ratios: Mapping[str, NDArray[np.float64]], config: ChoiceConfig
) -> tuple[str, str]:
    able = [name for name in present if ratios[name].min() >= config.floor]
    leader = max(able, key=lambda name: float(ratios[name].mean()))
    name = next(name for name in able if name == leader or _is_within_an_error(wide[leader] - wide[name]))
    ratio = f"{ratios[name].mean():.3f} x the best simple list, {ratios[name].min():.3f} at the worst cutoff"
    return name, ratio if name == leader else f"{ratio}; the simplest within one standard error of {leader}"


def _is_within_an_error(lack: pl.Series) -> bool:
    """Whether the mean of what is lacking is no more than its standard error."""
    values = lack.to_numpy()
    return len(values) > 1 and float(values.mean()) <= float(values.std(ddof=1)) / np.sqrt(len(values))


def _why_not(ratios: Mapping[str, NDArray[np.float64]], name: str, config: ChoiceConfig) -> str:
    if name not in ratios:
        return "not tried"
    worst = float(ratios[name].min())
    return f"below {config.floor} x the best simple list at a cutoff" if worst < config.floor else "another was chosen"


def _other_order(contender: Contender, offers: Offers) -> NDArray[np.float64]:
    """Reciprocal ranks by the source or the merge; below them, by less than any of their steps, the merge's order."""
    if contender.source is None:
        return offers.by_merge
    ranks = offers.ranks[contender.source]
    offered = np.where(ranks > 0, 1.0 / (RECIPROCAL_OFFSET + ranks), 0.0)
    return offered + offers.by_merge * 1e-6


def _reciprocal_ranks(
    users: NDArray[np.int32], scores: NDArray[np.floating], fused: NDArray[np.float32]
) -> NDArray[np.float64]:
    """1 / (60 + rank) of each row within its user; ties go by the merge, then to the earlier row."""
    rank = np.empty(len(users), dtype=np.int64)
    rank[order_of_users(users, scores, fused)] = ranks_of_users(users)
    return 1.0 / (RECIPROCAL_OFFSET + rank)
