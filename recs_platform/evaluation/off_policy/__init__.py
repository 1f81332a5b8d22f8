"""Off-policy evaluation: what a policy would have earned, from the log of another. Numbers only.

`log` holds the arrays, `matching` makes them of a log and a policy, `reward_model` says what is expected of an item,
`estimators` what the policy earns, `intervals` how sure that is, `overlap` whether the log can answer at all. Which
policies and which logs is for the pipeline to say.
"""

from recs_platform.evaluation.off_policy.estimators import ESTIMATORS, Estimate, Expectation, estimate_all, logged_value
from recs_platform.evaluation.off_policy.log import LoggedRewards
from recs_platform.evaluation.off_policy.matching import ShownItems, TargetPolicy, hold_against
from recs_platform.evaluation.off_policy.overlap import Overlap, effective_sample_size, judge_overlap

__all__ = [
    "ESTIMATORS",
    "Estimate",
    "Expectation",
    "LoggedRewards",
    "Overlap",
    "ShownItems",
    "TargetPolicy",
    "effective_sample_size",
    "estimate_all",
    "hold_against",
    "judge_overlap",
    "logged_value",
]
