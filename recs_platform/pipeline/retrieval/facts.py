"""Facts on retrieval for the UI and its report: candidates counted by source, sizes and audits of indexes."""
# ruff: noqa: S608  names come from contracts and the registry of sources, values are instant literals

from collections.abc import Iterable, Mapping

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES, RETRIEVAL, RETRIEVAL_HISTORY
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.retrieval.embeddings import embeddings_key
from recs_platform.pipeline.retrieval.inputs import run_config, with_consent
from recs_platform.pipeline.retrieval.item_index import index_reports
from recs_platform.stages import retrieval
from recs_platform.stages.reports import IndexFacts, Offers, RetrievalFacts
from recs_platform.warehouse.clauses import instant_literal, quoted, relation
from recs_platform.warehouse.runner import ModelRun

EARLIER_AS_OFS = 30
MEGABYTE = 1e6
FLOAT_BYTES = 4
OFFERED = "offered"
N = "n"


def retrieval_facts(run: AsOfRun) -> RetrievalFacts:
    """All that the report says of an as-of. Raises NotReady when its indexes are not sealed."""
    indexes = index_reports(run.platform, embeddings_key(run))
    return RetrievalFacts(count_offers(run), index_facts(indexes), _earlier(run))


def count_offers(run: AsOfRun) -> Offers:
    """The candidates of the run's as-of, counted by the sources behind them; only the counts are ever collected."""
    with run.models() as models:
        rows = _offered(models)
        return Offers(
            rows=_counted(models, rows),
            users=_counted(models, _united(rows, c.USER_ID)),
            items=_counted(models, _united(rows, c.ITEM_ID)),
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


def _offered(models: ModelRun) -> str:
    """Candidates with a bit set for each source, in registry order, that offered the row."""
    bits = (
        f"({quoted(c.source_rank(source.name))} is not null)::bigint * {1 << bit}"
        for bit, source in enumerate(retrieval.SOURCES)
    )
    table = relation(models.require(CANDIDATES.name))
    return f"select {c.USER_ID}, {c.ITEM_ID}, {' + '.join(bits)} as {OFFERED} from {table}"


def _united(rows: str, key: str) -> str:
    return f"select {key}, bit_or({OFFERED}) as {OFFERED} from ({rows}) group by {key}"


def _counted(models: ModelRun, rows: str) -> pl.DataFrame:
    """sources, n: how many rows each set of sources has."""
    counts = models.query(f"select {OFFERED}, count(*) as {N} from ({rows}) group by {OFFERED} order by {OFFERED}")
    names = [list(_named(bits)) for bits in counts[OFFERED].to_list()]
    return pl.DataFrame({c.SOURCES: pl.Series(names, dtype=pl.List(pl.String)), N: counts[N]})


def _named(bits: int) -> Iterable[str]:
    return (source.name for bit, source in enumerate(retrieval.SOURCES) if bits >> bit & 1)


def _earlier(run: AsOfRun) -> pl.DataFrame:
    """Rows of the report of the last as-ofs before this one."""
    before = [instant for instant in run.platform.lake.as_ofs(RETRIEVAL.name) if instant < run.as_of]
    since = instant_literal(min(before[-EARLIER_AS_OFS:], default=run.as_of))
    with run.models() as models:
        history = relation(models.require(RETRIEVAL_HISTORY.name))
        return models.query(f"select * from {history} where {c.AS_OF} >= {since}")
