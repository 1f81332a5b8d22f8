"""Ranking: labelled rows, the ranker, its champion, scored candidates. Lists are made in `reranking`."""

from recs_platform.stages.ranking.c_compiler import find_compiler, machine_key
from recs_platform.stages.ranking.champion import LABELS_END, ChampionChoice, choose_champion
from recs_platform.stages.ranking.compiled_forest import CompileReport, compile_forest, read_report
from recs_platform.stages.ranking.contenders import (
    EVERYBODY,
    RANKER_ALONE,
    ChoiceConfig,
    Contender,
    Offers,
    choose_contenders,
    contender_scores,
    contenders,
)
from recs_platform.stages.ranking.diagnosis import Diagnosis, diagnose
from recs_platform.stages.ranking.gate import (
    GAIN,
    GUARDED,
    LIST_LENGTH,
    SUPERIORITY,
    Decision,
    Match,
    decision_line,
    failures,
    judge_match,
    passes,
)
from recs_platform.stages.ranking.history_groups import HISTORY_GROUPS, history_group
from recs_platform.stages.ranking.outcomes import IMPRESSION, outcomes_of
from recs_platform.stages.ranking.overrides import Override, Overrides, read_overrides, write_override
from recs_platform.stages.ranking.ranker import (
    COMPILED_FOREST,
    RANKER,
    Ranker,
    RankerConfig,
    explain_score,
    feature_importance,
    feature_matrix,
    fusion_ranker,
    train_ranker,
)
from recs_platform.stages.ranking.ranker_files import load_ranker, save_ranker
from recs_platform.stages.ranking.scoring import best_of_users, best_rows, rank_candidates, ranks_of_users
from recs_platform.stages.ranking.training import label_rows, sample_rows

__all__ = [
    "COMPILED_FOREST",
    "EVERYBODY",
    "GAIN",
    "GUARDED",
    "HISTORY_GROUPS",
    "IMPRESSION",
    "LABELS_END",
    "LIST_LENGTH",
    "RANKER",
    "RANKER_ALONE",
    "SUPERIORITY",
    "ChampionChoice",
    "ChoiceConfig",
    "CompileReport",
    "Contender",
    "Decision",
    "Diagnosis",
    "Match",
    "Offers",
    "Override",
    "Overrides",
    "Ranker",
    "RankerConfig",
    "best_of_users",
    "best_rows",
    "choose_champion",
    "choose_contenders",
    "compile_forest",
    "contender_scores",
    "contenders",
    "decision_line",
    "diagnose",
    "explain_score",
    "failures",
    "feature_importance",
    "feature_matrix",
    "find_compiler",
    "fusion_ranker",
    "history_group",
    "judge_match",
    "label_rows",
    "load_ranker",
    "machine_key",
    "outcomes_of",
    "passes",
    "rank_candidates",
    "ranks_of_users",
    "read_overrides",
    "read_report",
    "sample_rows",
    "save_ranker",
    "train_ranker",
    "write_override",
]
