"""Probabilities that came true pass, those that promise too much warn, and few chosen items say nothing."""

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.reports.probability import ProbabilityConfig, judge_probabilities


def told(probability, chosen, n):
    was_chosen = np.arange(n) < chosen
    return pl.DataFrame({"probability": np.full(n, probability), "was_chosen": was_chosen})


@pytest.mark.parametrize(
    ("probability", "chosen", "verdict"),
    [(0.10, 100, "pass"), (0.12, 100, "pass"), (0.13, 100, "warn"), (0.07, 100, "warn"), (0.10, 49, "no_data")],
)
def test_the_sum_of_probabilities_is_held_against_what_was_chosen(probability, chosen, verdict):
    found = judge_probabilities(told(probability, chosen, 1_000), ProbabilityConfig())
    assert (found.verdict, found.sample_size) == (verdict, 1_000)


def test_the_message_says_how_many_were_expected():
    found = judge_probabilities(told(0.13, 100, 1_000), ProbabilityConfig())
    assert found.message == "Of 1,000 listed items 130 were expected to be chosen, 100 were: 30.0 % too many expected."
    assert found.value == pytest.approx(0.3)
