"""Exploration: the last places of a list drawn by chance, and with which chance; and who is left out to compare with.

`slots` says what a place is drawn from, `policies` with which chances; `drawn_lists` draws.
"""

from recs_platform.stages.reranking.exploration.drawn_lists import Exploration, explore
from recs_platform.stages.reranking.exploration.holdout import held_out_users
from recs_platform.stages.reranking.exploration.policies import EXACT, POLICIES, SIMULATED

__all__ = ["EXACT", "POLICIES", "SIMULATED", "Exploration", "explore", "held_out_users"]
