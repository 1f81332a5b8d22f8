"""Candidates of an as-of scored by its champion, streamed in chunks of whole users."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES, RANKED
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.partition_writer import Written, write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.evaluation import RANKED_PER_USER
from recs_platform.pipeline.training.rankers import RANKER, champion
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_tables, ranking_rows_sql
from recs_platform.warehouse.streaming import frames, whole_groups

BATCH_ROWS = 400_000


def score_as_of(platform: Platform, at: datetime, known: datetime) -> tuple[Written, str]:
    """Write the best of each user into `ranking.ranked`; returns what was written and the champion's version."""
    version = champion(platform, at, known).manifest.version
    scorer = ranking.load_ranker(artifact(platform.home.artifacts, RANKER, version))
    with platform.model_run(at, known) as run:
        for table in (CANDIDATES.name, *feature_tables(platform.feature_set)):
            run.require(table)
        rows = run.arrow(ranking_rows_sql(platform.feature_set, platform.models))
        batches = whole_groups(frames(rows), c.USER_ID, rows=BATCH_ROWS)
        scored = ranking.rank_candidates(batches, scorer, top_n=RANKED_PER_USER, threads=platform.settings.threads)
        stamped = (frame.with_columns(pl.lit(version).alias(c.RANKER_VERSION)) for frame in scored)
        return write_frames(platform, RANKED, stamped, at), version
