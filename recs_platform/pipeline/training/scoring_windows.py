"""Scores of the rows of a window, by what was chosen for each group of users. Lists are made of them in `trials`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.retrieval.inputs import run_config
from recs_platform.pipeline.training.trials import consumed_counts, offers_of, served_scores
from recs_platform.pipeline.training.windows import Window
from recs_platform.stages import ranking


def offers_by(run: AsOfRun, tested: Window, scorer: ranking.Ranker) -> ranking.Offers:
    """The rows of a window as contenders see them, scored by a ranker."""
    names = [source.name for source in run_config(run).configured_sources()]
    return offers_of(tested.rows, scorer, names, run.platform.settings.threads)


def scores_by(
    run: AsOfRun, tested: Window, scorer: ranking.Ranker, chosen: Mapping[str, ranking.Contender]
) -> NDArray[np.float64]:
    """Score (n,) of each row of a window, by what was chosen for the group of its user."""
    return scores_of_offers(tested, offers_by(run, tested, scorer), chosen)


def scores_of_offers(
    tested: Window, offers: ranking.Offers, chosen: Mapping[str, ranking.Contender]
) -> NDArray[np.float64]:
    """The same of rows that were scored."""
    return served_scores(chosen, offers, consumed_counts(tested.rows[c.USER_ID], tested.consumed))
