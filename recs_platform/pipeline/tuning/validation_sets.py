"""Validation sets of retrieval: problems as of instants before every test, with what came next."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.time import as_of_key
from recs_platform.evaluation.cutoffs import WARM_UP_DAYS
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, USERS, AsOfRun
from recs_platform.pipeline.geo_availability import read_geo_availability
from recs_platform.pipeline.retrieval.inputs import encode, with_consent, with_profiles
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.splits import (
    PAIR,
    Split,
    global_splits,
    hold_out,
    later_interactions,
    leave_out,
    per_user_splits,
)
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet
from recs_platform.stages.retrieval.tuning.validation import held_out_of

WINDOWS_MAX = 3
USERS_MAX = 4000


def validation_splits(schedule: TrainingSchedule, first: datetime) -> list[Split]:
    """Windows to validate on, oldest first; all end by the first cutoff that is tested at.

    At most three horizons before that cutoff, those with a week of history since `first`. Where users' last fifths are
    tested: the fifth before it, with the last one unseen. Raises NotReady where there is none.
    """
    if schedule.protocol == "per_user":
        return [per_user_splits(schedule.as_of)[1]]
    tests, horizon = schedule.tests(), schedule.plan.horizon
    starts = [tests[0].cutoff - number * horizon for number in range(WINDOWS_MAX, 0, -1)] if tests else []
    kept = [start for start in starts if start >= first + timedelta(days=WARM_UP_DAYS)]
    if not kept:
        raise NotReady(
            f"nothing to tune on as of {as_of_key(schedule.as_of)}: it takes {WARM_UP_DAYS} days of history and "
            f"{horizon.days} days after them that end before the first test; the first event is of {first:%Y-%m-%d}"
        )
    return global_splits(kept, horizon)


def read_validation_sets(run: AsOfRun, splits: Sequence[Split], say: Callable[[str], None]) -> list[ValidationSet]:
    """The validation set of each split that holds anybody; at most 4,000 users in all. Raises NotReady without any."""
    made = [validation_set(run, split, users_max=USERS_MAX // len(splits)) for split in splits]
    for split, each in zip(splits, made, strict=True):
        say(f"validation from {as_of_key(split.cutoff)} ({split.protocol}): {len(each.held_out.users)} users")
    held = [each for each in made if len(each.held_out.users)]
    if not held:
        raise NotReady(
            f"nobody to tune on: no user with history went on to anything new in {len(splits)} windows before "
            f"{as_of_key(splits[-1].labels_end)}"
        )
    return held


def validation_set(run: AsOfRun, split: Split, *, users_max: int) -> ValidationSet:
    """What is known as of the split's cutoff, and the new positives of users with history that it holds out."""
    then, later = run.at(split.cutoff), later_interactions(run, split)
    with then.models(scratch=True) as models:
        known, wanted = hold_out(models.frame(INTERACTIONS), later, split)
        if later is None:
            leave_out(models, known)
        users = with_consent(models.frame(USERS))
        wanted = wanted.join(models.frame(CONSUMED, PAIR), on=PAIR, how="anti")
        problem = encode(then, known, with_profiles(models, users), models.frame(ITEMS), read_geo_availability(models))
    wanted = wanted.join(users, on=c.USER_ID, how="semi").sort(PAIR)
    return ValidationSet(problem, held_out_of(problem, wanted, users_max=users_max, seed=run.platform.settings.seed))
