"""What retrieval is tuned on: problems as of instants before every test, with what came next. Tunes nothing."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import EVENTS
from recs_platform.contracts.time import as_of_key
from recs_platform.evaluation.cutoffs import WARM_UP_DAYS
from recs_platform.pipeline.geo_availability import read_places
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import item_vectors, with_consent, with_profiles
from recs_platform.pipeline.training.rankers import Curriculum
from recs_platform.pipeline.training.splits import (
    INTERACTIONS,
    PAIR,
    Split,
    global_splits,
    hold_out,
    later_interactions,
    per_user_splits,
    without_held_out,
)
from recs_platform.stages import retrieval
from recs_platform.stages.retrieval.tuning.source_trials import Exam
from recs_platform.stages.retrieval.tuning.validation import held_out_of

WINDOWS_MAX = 3
USERS_MAX = 2000


def validation_splits(curriculum: Curriculum, first: datetime) -> list[Split]:
    """Windows to validate on, oldest first; all end by the first cutoff that is tested at.

    At most three horizons before that cutoff, those with a week of history since `first`. Where users' last fifths are
    tested: the fifth before it, with the last one unseen. Raises NotReady where there is none.
    """
    if curriculum.protocol == "per_user":
        return [per_user_splits(curriculum.as_of)[1]]
    tests, horizon = curriculum.tests(), curriculum.plan.horizon
    starts = [tests[0].cutoff - number * horizon for number in range(WINDOWS_MAX, 0, -1)] if tests else []
    kept = [start for start in starts if start >= first + timedelta(days=WARM_UP_DAYS)]
    if not kept:
        raise NotReady(
            f"nothing to tune on as of {as_of_key(curriculum.as_of)}: it takes {WARM_UP_DAYS} days of history and "
            f"{horizon.days} days after them that end before the first test; the first event is of {first:%Y-%m-%d}"
        )
    return global_splits(kept, horizon)


def read_exams(
    platform: Platform, splits: Sequence[Split], known_at: datetime, say: Callable[[str], None]
) -> list[Exam]:
    """The exam of each split that holds anybody; at most 2,000 users in all. Raises NotReady where nobody is."""
    exams = [tuning_exam(platform, split, known_at, users_max=USERS_MAX // len(splits)) for split in splits]
    for split, exam in zip(splits, exams, strict=True):
        say(f"validation from {as_of_key(split.cutoff)} ({split.protocol}): {len(exam.held_out.users)} users")
    held = [exam for exam in exams if len(exam.held_out.users)]
    if not held:
        raise NotReady(
            f"nobody to tune on: no user with history went on to anything new in {len(splits)} windows before "
            f"{as_of_key(splits[-1].labels_end)}"
        )
    return held


def tuning_exam(platform: Platform, split: Split, known_at: datetime, *, users_max: int) -> Exam:
    """What is known as of the split's cutoff, and the new positives of users with history that it holds out."""
    settings = platform.settings
    later = later_interactions(platform, split, known_at)
    with platform.model_run(split.cutoff, known_at, scratch=True) as run:
        known, wanted = hold_out(run.frame(INTERACTIONS), later, split)
        if later is None:
            run.register(EVENTS.name, without_held_out(run, known))
        users = with_consent(run.frame("staging.stg_users"))
        wanted = wanted.join(run.frame("staging.stg_consumed", PAIR), on=PAIR, how="anti")
        places = read_places(run)
        problem = retrieval.encode(
            known,
            with_profiles(run, users),
            run.frame("staging.stg_items"),
            as_of=split.cutoff,
            allow_repeats=settings.allow_repeats,
            vectors=item_vectors(platform),
            places=places.users,
            barred=places.barred,
        )
    wanted = wanted.join(users, on=c.USER_ID, how="semi").sort(PAIR)
    return Exam(problem, held_out_of(problem, wanted, users_max=users_max, seed=settings.seed))
