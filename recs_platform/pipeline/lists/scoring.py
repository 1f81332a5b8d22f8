"""Candidates of an as-of scored by its champion, streamed in chunks of whole users."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import CANDIDATES, CHAMPION, RANKED
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.partition_writer import Written, write_frames
from recs_platform.pipeline.training.compiled import open_scorer
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_tables, ranking_rows_sql
from recs_platform.warehouse.runner import ModelRun
from recs_platform.warehouse.streaming import frames, whole_groups

BATCH_ROWS = 400_000


def score_as_of(run: AsOfRun) -> tuple[Written, str]:
    """Write the best of each user into `ranking.ranked`; returns what was written and the champion's version.

    Raises NotReady where no champion was chosen for the as-of.
    """
    platform = run.platform
    with run.models() as models:
        version = _champion_version(models)
        scorer = open_scorer(platform, version)
        for table in (CANDIDATES.name, *feature_tables(platform.feature_set)):
            models.require(table)
        rows = models.arrow(ranking_rows_sql(platform.feature_set, platform.models))
        batches = whole_groups(frames(rows), c.USER_ID, rows=BATCH_ROWS)
        scored = ranking.rank_candidates(batches, scorer, top_n=RANKED_PER_USER, threads=platform.settings.threads)
        stamped = (frame.with_columns(pl.lit(version).alias(c.RANKER_VERSION)) for frame in scored)
        return write_frames(platform, RANKED, stamped, run.as_of), version


def _champion_version(models: ModelRun) -> str:
    chosen = models.frame(CHAMPION.name, [c.RANKER_VERSION])[c.RANKER_VERSION].to_list()
    if not chosen:
        raise NotReady(f"no champion is chosen as of {as_of_key(models.as_of)}; materialize ranking/champion first")
    return chosen[0]
