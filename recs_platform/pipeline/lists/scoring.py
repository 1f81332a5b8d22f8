"""Candidates of an as-of, scored by its champion and stored: each user's best, and counts of what sources offered."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import CANDIDATES, CHAMPION, CONTENDERS, OFFER_COUNTS, RANKED
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.column_types import arrow_schema
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.candidates.candidate_features import CandidateFeatures
from recs_platform.pipeline.lists.active_users import active_users
from recs_platform.pipeline.lists.candidate_stream import CandidateStream
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.partition_writer import Written, write_frames, write_together
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.item_index import open_fit
from recs_platform.pipeline.training.compiled import open_scorer
from recs_platform.pipeline.training.trials import chosen_by_group, competing, consumed_counts
from recs_platform.stages import retrieval
from recs_platform.stages.features import pair_models
from recs_platform.warehouse.runner import ModelRun


@dataclass(frozen=True)
class Scored:
    """What was written by table, the champion's version, what computed the scores, and seconds by part."""

    written: Mapping[str, Written]
    version: str
    scored_by: str
    seconds: Mapping[str, float]


def scored_tables(platform: Platform) -> tuple[str, ...]:
    """Tables that `score_as_of` writes."""
    return (CANDIDATES.name, OFFER_COUNTS.name, *(model.name for model in pair_models(platform.models)), RANKED.name)


def score_as_of(run: AsOfRun) -> Scored:
    """Generate, score and store the candidates of everybody who gets a list of their own.

    Raises NotReady where no champion was chosen.
    """
    platform, fit = run.platform, open_fit(run)
    counts = retrieval.OfferCounts(fit.problem)
    with run.models() as models:
        version = champion_version(models)
        ranker = open_scorer(platform, version)
        users = pl.Series(c.USER_ID, fit.problem.user_ids.tolist(), pl.String)
        active = active_users(run)
        targets = None if active is None else active.filter(active.is_in(users.implode())).to_list()
        features = CandidateFeatures.open(models, platform.models, ranker.feature_set, fit, targets)
        chosen = chosen_by_group(models.frame(CONTENDERS.name), competing(run))
        ranked = max(RANKED_PER_USER, platform.settings.serving.candidates)
        stream = CandidateStream(features, ranker, version, chosen, consumed_counts(users, run.consumed), ranked)

        def parts() -> Generator[Mapping[str, pl.DataFrame]]:
            for block in stream.blocks():
                counts.add(block.merged)
                yield stream.rows(block)

        # Closed before the connection is, whatever happens: threads are at work on the blocks to come.
        with closing(parts()) as made:
            written = write_together(platform, _schemas(platform, models), made, run.as_of)
    written[OFFER_COUNTS.name] = write_frames(platform, OFFER_COUNTS, [counts.frame()], run.as_of)
    return Scored(written, version, ranker.scored_by, fit.clock.seconds)


def champion_version(models: ModelRun) -> str:
    """Version of the ranker that was chosen for the as-of. Raises NotReady where none was."""
    chosen = models.frame(CHAMPION.name, [c.RANKER_VERSION])[c.RANKER_VERSION].to_list()
    if not chosen:
        raise NotReady(f"no champion is chosen as of {as_of_key(models.as_of)}; materialize ranking/champion first")
    return chosen[0]


def _schemas(platform: Platform, models: ModelRun) -> dict[str, pa.Schema]:
    contracts = (platform.contract(CANDIDATES.name), RANKED)
    schemas = {contract.name: arrow_schema(contract.columns) for contract in contracts}
    return schemas | {model.name: models.arrow_schema(model.name) for model in pair_models(platform.models)}
