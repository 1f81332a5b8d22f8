"""What the UI and the report of retrieval are told: candidates counted in DuckDB, and indexes. Judges nothing."""
# ruff: noqa: S608  names come from contracts and the registry of sources, values are instant literals

from collections.abc import Iterable, Mapping
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES, RETRIEVAL, RETRIEVAL_HISTORY
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import artifact_version
from recs_platform.pipeline.retrieval.inputs import retrieval_config
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


def retrieval_facts(platform: Platform, at: datetime, known: datetime) -> RetrievalFacts:
    """All that the report tells of an as-of. Raises NotReady when its indexes are not sealed."""
    with platform.model_run(at, known) as run:
        users, items = run.require("staging.stg_users"), run.require("staging.stg_items")
        known_users = run.query(f"select count(*) from {relation(users)} where not is_withheld").item()
        eligible_items = run.query(f"select count(*) from {relation(items)} where is_available").item()
        offers = count_offers(platform, run, known_users=known_users, eligible_items=eligible_items)
        earlier = _earlier(platform, run, at)
    indexes = index_reports(platform, artifact_version(platform, at, known))
    return RetrievalFacts(offers, index_facts(indexes), earlier)


def count_offers(platform: Platform, run: ModelRun, *, known_users: int, eligible_items: int) -> Offers:
    """The candidates of the run's as-of, counted by the sources behind them; only the counts are ever collected."""
    rows = _offered(run)
    return Offers(
        rows=_counted(run, rows),
        users=_counted(run, _united(rows, c.USER_ID)),
        items=_counted(run, _united(rows, c.ITEM_ID)),
        enabled=tuple(source.name for source in retrieval_config(platform).configured_sources()),
        known_users=known_users,
        eligible_items=eligible_items,
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


def _offered(run: ModelRun) -> str:
    """Candidates with a bit set for each source, in registry order, that offered the row."""
    bits = (
        f"({quoted(c.source_rank(source.name))} is not null)::bigint * {1 << place}"
        for place, source in enumerate(retrieval.SOURCES)
    )
    table = relation(run.require(CANDIDATES.name))
    return f"select {c.USER_ID}, {c.ITEM_ID}, {' + '.join(bits)} as {OFFERED} from {table}"


def _united(rows: str, key: str) -> str:
    return f"select {key}, bit_or({OFFERED}) as {OFFERED} from ({rows}) group by {key}"


def _counted(run: ModelRun, rows: str) -> pl.DataFrame:
    """sources, n: how many rows each set of sources has."""
    counts = run.query(f"select {OFFERED}, count(*) as {N} from ({rows}) group by {OFFERED} order by {OFFERED}")
    names = [list(_named(bits)) for bits in counts[OFFERED].to_list()]
    return pl.DataFrame({c.SOURCES: pl.Series(names, dtype=pl.List(pl.String)), N: counts[N]})


def _named(bits: int) -> Iterable[str]:
    return (source.name for place, source in enumerate(retrieval.SOURCES) if bits >> place & 1)


def _earlier(platform: Platform, run: ModelRun, at: datetime) -> pl.DataFrame:
    """Rows of the report of the last as-ofs before this one."""
    before = [instant for instant in platform.lake.as_ofs(RETRIEVAL.name) if instant < at]
    since = instant_literal(min(before[-EARLIER_AS_OFS:], default=at))
    history = relation(run.require(RETRIEVAL_HISTORY.name))
    return run.query(f"select * from {history} where {c.AS_OF} >= {since}")
