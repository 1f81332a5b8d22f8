"""Features of some users as of a past instant, computed of their own events: those of all others are not asked for."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES
from recs_platform.pipeline.as_of_run import STAGED, USER_SEGMENTS, USERS, AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.features import feature_tables, pair_models
from recs_platform.warehouse.clauses import relation
from recs_platform.warehouse.runner import ModelRun

# Each row comes of its own user's rows in STAGED and USERS, and of tables that are told of everybody.
OF_THEIR_USER = ("features.user_features", "features.user_affinities")
OF_EVERYBODY = (
    "features.user_lifecycle",
    "staging.stg_user_rates",
    "staging.stg_item_users",
    "staging.stg_measure_limits",
    "staging.stg_catalogue",
)
_OF_ITEMS = "features.item_features"
# So many horizons before the as-of: the drift report compares with features of then.
HORIZONS_BEFORE = (1, 2)
_ASKED = "asked.users"


def keep_features(models: ModelRun, run: AsOfRun) -> None:
    """Keep features of items, and what those of users are computed of; `models`: a scratch run as of then."""
    run.keep(models, (USERS, *OF_EVERYBODY, _OF_ITEMS))


def register_features(models: ModelRun, run: AsOfRun, users: pl.DataFrame) -> None:
    """Let the rows of `users` (user_id) alone stand for the tables of OF_THEIR_USER, which hold what they always do.

    `models`: a scratch run of `run`. Where a model of the home reads these tables of all users, nothing is done: all
    rows are computed when somebody asks for them.
    """
    if _are_read_whole(run.platform):
        return
    models.stand_in(_ASKED, "from given", given=users)
    with run.models(scratch=True) as theirs:
        for name in (STAGED, USERS, *OF_EVERYBODY):
            asked = f"semi join {relation(_ASKED)} using ({c.USER_ID})" if _is_by_user(run.platform, name) else ""
            theirs.register(name, models.query(f"from {relation(models.require(name))} {asked}"))
        for name in OF_THEIR_USER:
            models.register(name, theirs.frame(name))


def _is_by_user(platform: Platform, name: str) -> bool:
    return c.USER_ID in platform.models.types(name)


def _are_read_whole(platform: Platform) -> bool:
    """Whether any feature, or what it comes of, reads OF_THEIR_USER; what is computed of candidates asks for theirs."""
    models = platform.models
    read = {*feature_tables(platform.feature_set), USER_SEGMENTS, *(model.name for model in pair_models(models))}
    read |= {name for table in read for name in models.upstreams(table)}
    others = read.intersection(model.name for model in models.all()).difference(OF_THEIR_USER)
    readers = [name for name in others if set(OF_THEIR_USER).intersection(models.get(name).upstreams)]
    return any(CANDIDATES.name not in models.upstreams(name) for name in readers)
