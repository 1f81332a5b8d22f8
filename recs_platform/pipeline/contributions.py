"""What the scores of listed rows are made of, for whoever looks at many; single pairs are in `questions.explain`."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import polars as pl
import pyarrow as pa

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES, CHAMPION, CONTENDERS, LISTS, RANKED, SCORE_PARTS
from recs_platform.lake.column_types import polars_schema
from recs_platform.pipeline.as_of_run import CATALOGUE, CONSUMED, INTERACTIONS, USERS, AsOfRun
from recs_platform.pipeline.lists.scoring import champion_version
from recs_platform.pipeline.partition_writer import Written, write_frames
from recs_platform.pipeline.training.compiled import open_scorer
from recs_platform.pipeline.training.trials import chosen_by_group, competing, consumed_counts
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_tables, ranking_rows_sql
from recs_platform.stages.ranking.contributions import parts_of_groups
from recs_platform.warehouse.runner import ModelRun

# Beside the tables of features.
READS = (
    *(LISTS.name, RANKED.name, CANDIDATES.name, CHAMPION.name, CONTENDERS.name),
    *(CONSUMED, INTERACTIONS, USERS, CATALOGUE),
)
_ROWS_AT_ONCE = 200_000


def write_score_parts(run: AsOfRun) -> Written:
    """Replace the partition of recommendations.score_parts; it is empty where the settings keep none.

    Rows that filled a list have no score of the ranker, and no row.
    """
    if not run.platform.settings.lists.contributions_kept:
        return write_frames(run.platform, SCORE_PARTS, [_rows(pl.DataFrame())], run.as_of)
    # Tables are opened before the lake's writer asks for frames: it may not wait for another of them.
    with run.models() as models:
        ranker = open_scorer(run.platform, champion_version(models))
        chosen = chosen_by_group(models.frame(CONTENDERS.name), competing(run))
        consumed, listed = run.consumed, _listed(run, models)
        frames = (_parts(run, rows, ranker, chosen, consumed) for rows in listed)
        return write_frames(run.platform, SCORE_PARTS, chain([_rows(pl.DataFrame())], frames), run.as_of)


def _rows(parts: pl.DataFrame) -> pl.DataFrame:
    """Rows as they are stored, less as_of."""
    columns = [name for name in SCORE_PARTS.column_names if name != c.AS_OF]
    types = polars_schema(SCORE_PARTS.columns)
    empty = pl.DataFrame(schema={name: types[name] for name in columns})
    return (
        empty
        if parts.is_empty()
        else parts.select(columns).cast({name: types[name] for name in columns}).sort(c.USER_ID, c.RANK)
    )


def _parts(
    run: AsOfRun,
    rows: pl.DataFrame,
    ranker: ranking.Ranker,
    chosen: Mapping[str, ranking.Contender],
    consumed: pl.DataFrame,
) -> pl.DataFrame:
    settings = run.platform.settings
    groups = ranking.history_group(consumed_counts(rows[c.USER_ID], consumed)).tolist()
    contenders = [chosen[ranking.HISTORY_GROUPS[place][0]] for place in groups]
    parts = parts_of_groups(rows, ranker, contenders, kept=settings.lists.contributions_kept, threads=settings.threads)
    return _rows(parts.join(rows.select(c.USER_ID, c.ITEM_ID, c.RANK), on=[c.USER_ID, c.ITEM_ID]))


def _listed(run: AsOfRun, models: ModelRun) -> Iterator[pl.DataFrame]:
    """Listed rows that the ranker scored, with features and the score that ordered them, so many at a time."""
    features = run.platform.feature_set
    for table in feature_tables(features):
        models.require(table)
    for table in (LISTS.name, RANKED.name, CANDIDATES.name):
        models.require(table)
    wanted = (
        f"select l.{c.USER_ID}, l.{c.ITEM_ID}, l.{c.RANK}, r.{c.SCORE}, f.* exclude ({c.USER_ID}, {c.ITEM_ID})"  # noqa: S608  names of contracts
        f" from {LISTS.name} as l inner join {RANKED.name} as r using ({c.USER_ID}, {c.ITEM_ID}) "
        f"inner join ({ranking_rows_sql(features, run.platform.models)}) as f using ({c.USER_ID}, {c.ITEM_ID}) "
        f"where not l.{c.IS_HOLDOUT}"
    )
    return _together(models.arrow(wanted))


def _together(batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    waiting: list[pl.DataFrame] = []
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(batch))
        waiting.append(frame)
        if sum(each.height for each in waiting) >= _ROWS_AT_ONCE:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)
