"""Quiet data for tests of the report on data quality: days of events, ingestions of a catalogue, a ledger."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl

from recs_platform.contracts.tables import INGESTIONS
from recs_platform.stages.reports.checked import Checked
from recs_platform.stages.reports.data_quality.events import NUMBERS, OPTIONAL
from recs_platform.stages.reports.verdicts import contract_frame

AS_OF = datetime(2020, 3, 2, tzinfo=UTC)
DAYS = 30
TYPES = {"impression": 900, "click": 240, "purchase": 60}
FILLED = {"device": 0.95, "session_id": 0.8, "dwell_seconds": 0.6}


def day(rng, ago, kind, usual, **planted):
    """A row of the daily quality; `planted` replaces numbers of it."""
    events = int(rng.poisson(planted.pop("events", usual)))
    shares = FILLED | planted.pop("filled", {})
    row = {"days_ago": ago, "source": "shop", "event_type": kind, "event_count": events}
    row |= {f"{name}_count": int(rng.binomial(events, shares.get(name, 0.0))) for name in OPTIONAL}
    for name in NUMBERS:
        n = row[f"{name}_count"]
        drawn = rng.lognormal(3.0, 1.0, n) * planted.get("scale", 1.0)
        ends = {"sum": drawn.sum(), "min": drawn.min(), "max": drawn.max()} if n else {}
        row |= {f"{name}_{end}": ends.get(end) for end in ("sum", "min", "max")}
    row["unknown_item_count"] = int(rng.binomial(events, planted.get("unknown_items", 0.02)))
    row["unknown_user_count"] = int(rng.binomial(events, planted.get("unknown_users", 0.3)))
    return row


def daily(rng, planted=None, days=DAYS, types=TYPES):
    """Days of the log; `planted(ago, kind)`: what is unlike the others, see `day`."""
    planted = planted or (lambda *_: {})
    rows = [day(rng, ago, kind, usual, **planted(ago, kind)) for ago in range(days) for kind, usual in types.items()]
    numbers = {f"{name}_{end}": pl.Float64 for name in NUMBERS for end in ("sum", "min", "max")}
    return pl.DataFrame(rows, schema_overrides=numbers).filter(pl.col("event_count") > 0)


def versions(shares, rows=500, columns=("title", "category")):
    """Ingestions that replace every row; `shares`: of each, the oldest first, the share filled of each column."""
    found = []
    for at, filled in enumerate(shares):
        when = AS_OF - timedelta(days=len(shares) - at)
        counts = {f"{name}_count": round(rows * filled.get(name, 1.0)) for name in columns}
        found.append({"changed_at": when, "change": "began", "row_count": rows} | counts)
        if at:
            found.append(found[-2 if at == 1 else -3] | {"changed_at": when, "change": "ended"})
    return pl.DataFrame(found, schema_overrides={"changed_at": pl.Datetime("us", "UTC")})


NO_VERSIONS = versions([{}]).head(0)


def checked(**frames):
    """What the checks say: nothing but what is given."""
    text, whole, real = pl.String, pl.Int64, pl.Float64
    rates = {"source": text, "rows_read": whole, "rate": real, "history_rate": real, "history_files": whole,
             "limit": real, "verdict": text}  # fmt: skip
    schemas = {
        "volumes": {"source": text, "event_date": pl.Date, "row_count": whole, "usual_rows": real, "weeks": whole,
                    "low": real, "high": real, "verdict": text},
        "rejected": rates,
        "duplicate": rates,
        "gone": {"table_name": text, "segment": text, "source": text, "column_name": text, "row_count": whole,
                 "filled": whole, "expected": real, "n_periods": whole, "limit": real, "compared_with": text,
                 "verdict": text},
        "silent": {"source": text, "days_ago": whole, "longest_gap_days": whole},
    }  # fmt: skip
    return Checked(AS_OF, **{name: pl.DataFrame(frames.get(name, []), schema=of) for name, of in schemas.items()})


def ledger(days=()):
    """A file of events at each of so many days before the as-of."""
    rows = [
        {"file_hash": f"f{ago}", "source_file": f"shop/{ago}", "source": "shop", "contract_table": "events",
         "raw_records": 10, "rows_read": 10, "rows_accepted": 10, "rows_quarantined": 0, "rows_duplicate": 0,
         "attributes_dropped": 0, "ingested_at": AS_OF - timedelta(days=ago)}
        for ago in days
    ]  # fmt: skip
    return contract_frame(rows, INGESTIONS)


def inputs(folder, **given):
    """Quiet inputs of the report, and what is given."""
    known = {
        "daily_quality": daily(np.random.default_rng(0)),
        "versions": {"raw.items": NO_VERSIONS, "raw.users": NO_VERSIONS},
        "ledger": ledger(range(1, 8)),
        "checked": checked(
            volumes=[{"source": "shop", "event_date": date(2020, 2, 29), "row_count": 1200, "usual_rows": 1200.0,
                      "weeks": 4, "low": 600.0, "high": 2400.0, "verdict": "pass"}],
            rejected=[{"source": "shop", "rows_read": 1200, "rate": 0.0, "history_rate": 0.0, "history_files": 6,
                       "limit": 0.05, "verdict": "pass"}],
            duplicate=[{"source": "shop", "rows_read": 1200, "rate": 0.0, "history_rate": 0.0, "history_files": 6,
                        "limit": 0.05, "verdict": "pass"}],
        ),
    }  # fmt: skip
    return SimpleNamespace(**({"as_of": AS_OF, "seed": 7, "facts": {}, "folder": folder} | known | given))
