"""Features as of an instant before a build's own, for what is held against them."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.pipeline.as_of_run import STAGED, USERS, AsOfRun
from recs_platform.pipeline.build_records import is_as_built
from recs_platform.pipeline.user_features import register_features
from recs_platform.stages.reports import DRIFT_TABLES, compared_users


def features_at(run: AsOfRun, at: datetime) -> Mapping[str, pl.DataFrame]:
    """Rows of DRIFT_TABLES: of items all, of users at least those compared; nothing where no event lies before.

    A build as of then has stored them, where nothing has changed since.
    """
    then = run.at(at)
    if is_as_built(then, DRIFT_TABLES):
        with then.models() as models:
            return {table: models.frame(table) for table in DRIFT_TABLES}
    with then.models(scratch=True, as_kept=True) as models:
        if models.is_empty(STAGED):
            return {}
        users = compared_users(models.frame(USERS, [c.USER_ID]), seed=run.platform.settings.seed)
        register_features(models, then, users)
        return {table: models.frame(table) for table in DRIFT_TABLES}
