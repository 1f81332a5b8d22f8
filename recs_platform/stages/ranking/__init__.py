"""Ranking: labelled rows, the ranker, its champion, scored candidates. Lists are made in `reranking`."""

from recs_platform.stages.ranking.champion import LABELS_END, ChampionChoice, choose_champion
from recs_platform.stages.ranking.ranker import (
    RANKER,
    Ranker,
    RankerConfig,
    explain_score,
    feature_importance,
    fusion_ranker,
    load_ranker,
    save_ranker,
    train_ranker,
)
from recs_platform.stages.ranking.scoring import best_of_users, rank_candidates, ranks_of_users
from recs_platform.stages.ranking.training import label_rows, sample_rows

__all__ = [
    "LABELS_END",
    "RANKER",
    "ChampionChoice",
    "Ranker",
    "RankerConfig",
    "best_of_users",
    "choose_champion",
    "explain_score",
    "feature_importance",
    "fusion_ranker",
    "label_rows",
    "load_ranker",
    "rank_candidates",
    "ranks_of_users",
    "sample_rows",
    "save_ranker",
    "train_ranker",
]
