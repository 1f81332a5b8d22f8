"""What is known of the real data, what every published file promises, as SQL, and how fast ingestion must be.

Running it is the work of `real_data` and `run`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

K = 10


@dataclass(frozen=True)
class DataSet:
    """A data set: its folder, the protocol it is measured by, and what is known of its size."""

    source: str
    folder: str
    protocol: str
    counts: Mapping[str, tuple[str, int]]


ACCEPTED = "select sum(rows_accepted)::bigint from raw.ingestions where contract_table = 'events'"
DATA_SETS = (
    DataSet(
        "movielens",
        "ml-latest-small",
        "per_user",
        {
            "ratings": ("select count(*) from raw.events where event_type = 'rating'", 100_004),
            "events accepted": (ACCEPTED, 100_004),
            "users": ("select count(distinct user_id) from raw.events", 671),
            "items": ("select count(*) from raw.items", 9_125),
        },
    ),
    DataSet(
        "deskdrop",
        "deskdrop",
        "global",
        {
            "events": ("select count(*) from raw.events", 72_301),
            "events accepted": (ACCEPTED, 72_301),
            "duplicates": ("select sum(rows_duplicate)::bigint from raw.ingestions", 11),
        },
    ),
)
KNOWN_USERS = """
    select user_id from raw.users where signed_up_at is null or signed_up_at < (select as_of from made)
    union
    select user_id from raw.events where occurred_at < (select as_of from made)
"""
MADE = "with made as (select max(as_of) as as_of from recommendations.current)"
# Each counts rows that break a promise.
PROMISES = {
    "one as-of in recommendations.current": "select count(distinct as_of) - 1 from recommendations.current",
    f"every known user has {K} distinct items at ranks 1 to {K}": f"""
        {MADE}, lists as (
            select user_id, count(*) as n, count(distinct item_id) as items, list(rank order by rank) as ranks
            from recommendations.current group by user_id
        )
        select count(*) from ({KNOWN_USERS}) left join lists using (user_id)
        where n is distinct from {K} or items is distinct from {K} or ranks is distinct from range(1, {K + 1})
    """,
    "nobody unknown has a list": f"""
        {MADE} select count(distinct user_id) from recommendations.current
        where user_id not in (select user_id from ({KNOWN_USERS}))
    """,
    "nothing consumed before the as-of is recommended": """
        select count(*) from recommendations.current as r where exists (
            select 1 from raw.events as e
            where e.user_id = r.user_id and e.item_id = r.item_id
                and e.event_type <> 'impression' and e.occurred_at < r.as_of
        )
    """,
    "every row has a reason": "select count(*) from recommendations.current where coalesce(reason, '') = ''",
    "the ledger balances": """
        select count(*) from raw.ingestions
        where rows_read is distinct from rows_accepted + rows_quarantined + rows_duplicate
    """,
    "events are what the ledger accepted": f"select abs(count(*) - ({ACCEPTED})) from raw.events",
    "quarantine holds what the ledger refused": """
        select abs(count(*) - (select sum(rows_quarantined) from raw.ingestions)) from raw.quarantine
    """,
}
METRICS = f"""
    select protocol, model, metric, value, ci_low, ci_high, n_users, n_windows from reports.offline_metrics
    where segment = 'all' and k = {K} and as_of = (select max(as_of) from recommendations.current)
        and metric in ('ndcg', 'recall', 'ndcg_minus_popularity', 'ndcg_minus_best_source')
    order by protocol, metric, model <> 'final', model
"""

CLEAN_PARQUET = "ingest contract events, Parquet"
BAD_PARQUET = "ingest contract events, Parquet, 0.9 % bad"
CLEAN_JSONL = "ingest contract events, JSONL"
BAD_JSONL = "ingest contract events, JSONL, 0.9 % bad"
NOTHING_NEW = "ask what is pending, all taken in, in a fresh process"
ALL_FEATURES = "all features as of one instant"
ALL_SEGMENTS = "behavioural segments of everyone"
RETRIEVAL_FAST = "recs benchmark retrieval --profile fast"
RETRIEVAL_BEST = "recs benchmark retrieval --profile best"
EXACT_SEARCH = "search: exact"
APPROXIMATE_SEARCH = "search: approximate"
SCORE_PROMOTED = "score, assembly of rows included, a forest of the promoted size, compiled"
SCORE_MANY = "score 20,000 rows, compiled"
SCORE_FEW = "score 200 rows, compiled"
RATES_MIN = {CLEAN_PARQUET: 1_000_000, CLEAN_JSONL: 250_000, ALL_FEATURES: 500_000, SCORE_PROMOTED: 1_000_000}
BAD_TIMES_MAX = 2.0
TIMES_OF = {BAD_PARQUET: CLEAN_PARQUET, BAD_JSONL: CLEAN_JSONL}
BESIDE_TIMES_MAX = {ALL_FEATURES: 1.3, EXACT_SEARCH: 2.0}
FASTER_MIN = {APPROXIMATE_SEARCH: 10.0}
RECALL_MIN = {APPROXIMATE_SEARCH: 0.95}
PEAK_GIB_MAX = {
    CLEAN_PARQUET: 4.0,
    CLEAN_JSONL: 4.0,
    BAD_PARQUET: 4.0,
    BAD_JSONL: 4.0,
    ALL_FEATURES: 6.0,
    RETRIEVAL_FAST: 3.0,
    RETRIEVAL_BEST: 3.0,
}
SECONDS_MAX = {NOTHING_NEW: 2.0, ALL_SEGMENTS: 30.0, RETRIEVAL_FAST: 60.0, RETRIEVAL_BEST: 300.0}


@dataclass(frozen=True)
class Speed:
    """One measurement as far as a promise looks at it."""

    seconds: float
    amount: int
    peak_gib: float
    beside_seconds: float | None = None
    recall: float | None = None


Kept = tuple[str, str, str, bool]


def kept_speeds(measured: Mapping[str, Speed]) -> list[Kept]:
    """(promise, asked, measured, whether it is kept) for what was measured."""
    return [
        kept
        for what, speed in measured.items()
        for kept in (*_at_least(what, speed), *_at_most(what, speed, measured.get(TIMES_OF.get(what, ""))))
    ]


def _at_least(what: str, speed: Speed) -> Iterator[Kept]:
    if what in RATES_MIN:
        least, rate = RATES_MIN[what], speed.amount / speed.seconds
        yield f"{what}: a second", f"{least:,} or more", f"{rate:,.0f}", rate >= least
    if what in FASTER_MIN and speed.beside_seconds:
        least, times = FASTER_MIN[what], speed.beside_seconds / speed.seconds
        yield f"{what}: times as fast as its peer", f"{least:g} or more", f"{times:.2f}", times >= least
    if what in RECALL_MIN and speed.recall is not None:
        least, recall = RECALL_MIN[what], speed.recall
        yield f"{what}: recall", f"{least:g} or more", f"{recall:.3f}", recall >= least


def _at_most(what: str, speed: Speed, clean: Speed | None) -> Iterator[Kept]:
    found: list[tuple[str, float, float]] = []
    if clean is not None:
        found.append(("times the clean one", BAD_TIMES_MAX, speed.seconds / clean.seconds))
    if what in BESIDE_TIMES_MAX and speed.beside_seconds:
        found.append(("times its peer", BESIDE_TIMES_MAX[what], speed.seconds / speed.beside_seconds))
    if what in PEAK_GIB_MAX:
        found.append(("peak GiB", PEAK_GIB_MAX[what], speed.peak_gib))
    if what in SECONDS_MAX:
        found.append(("seconds", SECONDS_MAX[what], speed.seconds))
    return ((f"{what}: {name}", f"{most:g} or less", f"{value:.2f}", value <= most) for name, most, value in found)
