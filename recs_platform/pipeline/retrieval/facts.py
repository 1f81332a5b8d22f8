"""Facts on retrieval for the UI and its report: candidates counted by source, sizes and audits of indexes."""

from collections.abc import Mapping

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import OFFER_COUNTS, RETRIEVAL_HISTORY, OfferedUnit
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.histories import earlier_rows
from recs_platform.pipeline.retrieval.embeddings import embeddings_key
from recs_platform.pipeline.retrieval.inputs import run_config, with_consent
from recs_platform.pipeline.retrieval.item_index import index_reports
from recs_platform.stages import retrieval
from recs_platform.stages.reports import IndexFacts, Offers, RetrievalFacts

MEGABYTE = 1e6
FLOAT_BYTES = 4
N = "n"


def retrieval_facts(run: AsOfRun) -> RetrievalFacts:
    """All that the report says of an as-of. Raises NotReady when its indexes are not sealed."""
    indexes = index_reports(run.platform, embeddings_key(run))
    return RetrievalFacts(count_offers(run), index_facts(indexes), earlier_rows(run, RETRIEVAL_HISTORY))


def count_offers(run: AsOfRun) -> Offers:
    """What sources offered as of the run's instant, as it was counted when candidates were scored."""
    with run.models() as models:
        counts = models.frame(OFFER_COUNTS.name)
    return Offers(
        rows=_counted(counts, OfferedUnit.ROW),
        users=_counted(counts, OfferedUnit.USER),
        items=_counted(counts, OfferedUnit.ITEM),
        enabled=tuple(source.name for source in run_config(run).configured_sources()),
        known_users=with_consent(run.users).height,
        eligible_items=run.items.filter(c.IS_AVAILABLE).height,
    )


def index_facts(reports: Mapping[str, retrieval.IndexReport]) -> list[IndexFacts]:
    """Sizes and audits of the indexes, by source."""
    return [
        IndexFacts(
            source=name,
            items=report.items,
            catalogue=report.catalogue,
            megabytes=report.items * report.dimensions * FLOAT_BYTES / MEGABYTE,
            audit=tuple((part.share, part.recall, part.queries) for part in report.recall),
        )
        for name, report in reports.items()
    ]


def _counted(counts: pl.DataFrame, unit: OfferedUnit) -> pl.DataFrame:
    """sources, n: how many rows, users or items each set of sources has."""
    return counts.filter(pl.col(c.OFFERED_UNIT) == unit).select(c.SOURCES, pl.col(c.OFFER_COUNT).alias(N))
