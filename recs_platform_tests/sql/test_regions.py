"""What may not be offered, from raw rows: items and creators that settings block, and regions that attributes name."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts import tables
from recs_platform.contracts.regions import REGION_EXCLUSIONS, UNKNOWN_REGION, USER_REGIONS
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.models import load_models
from recs_platform.warehouse.parameters import DEFAULT_PARAMETERS
from recs_platform.warehouse.runner import ModelRun

AS_OF = datetime(2020, 4, 1, tzinfo=UTC)
BEFORE = AS_OF - timedelta(days=2)
ODD = 'o\'dd \\ "$as_of" \0 ü'
ITEMS = {
    "free": {"creator": "kind"},
    "only_se": {"attributes": {"offered_in": ["se"]}},
    "not_dk": {"attributes": {"not_offered_in": "DK", "other": [1]}},
    ODD: {"creator": "kind"},
    "theirs": {"creator": ODD},
}
USERS = {"swede": "SE", "dane": "dk", "finn": "FI", "nomad": None, "hidden": "SE"}


SCHEMA = {c.ITEM_ID: pl.String, c.CREATOR: pl.String, c.ATTRIBUTES: pl.String}


@pytest.fixture(scope="module")
def blocking(sql_folder):
    """Models with blocked items and creators instead of the default parameters."""
    contracts = [value for value in vars(tables).values() if isinstance(value, tables.TableContract)]
    blocked = {"blocked_items": (ODD, "seen", "no such item"), "blocked_creators": (ODD,)}
    return load_models(sql_folder / "models", contracts, {**DEFAULT_PARAMETERS, **blocked})


def run_over(models):
    """A scratch run over ITEMS and USERS, one of whom withdrew, and one item seen in events alone."""
    con = connect(memory_limit_gb=1, threads=1)
    run = ModelRun(con, Lake(Path("no-lake")), models, (), as_of=AS_OF, known_at=AS_OF, scratch=True)
    items = [
        (item, given.get("creator"), json.dumps(given["attributes"]) if "attributes" in given else None)
        for item, given in ITEMS.items()
    ]
    since = pl.lit(BEFORE).alias(c.VALID_FROM)
    run.register("raw.item_history", pl.DataFrame(items, SCHEMA, orient="row").with_columns(since))
    people = pl.DataFrame(list(USERS.items()), {c.USER_ID: pl.String, c.COUNTRY: pl.String}, orient="row")
    run.register("raw.user_history", people.with_columns(since))
    withdrawal = {c.USER_ID: ["hidden"], c.PURPOSE: [tables.PERSONALIZATION], c.GRANTED: [False]}
    instants = {c.OCCURRED_AT: [BEFORE], c.INGESTED_AT: [BEFORE], c.FILE_HASH: ["f"]}
    run.register("raw.consents", pl.DataFrame({**withdrawal, **instants}))
    seen = {c.EVENT_ID: ["e"], c.USER_ID: ["finn"], c.ITEM_ID: ["seen"], c.OCCURRED_AT: [BEFORE]}
    run.register("staging.stg_events", pl.DataFrame(seen))
    run.register("staging.stg_resolved_events", pl.DataFrame(seen))
    return run


def available(run):
    return set(run.frame("staging.stg_items").filter("is_available")[c.ITEM_ID])


def test_blocked_items_and_creators_are_available_to_nobody_whatever_their_names(models, blocking):
    assert available(run_over(models)) == {*ITEMS, "seen"}
    assert available(run_over(blocking)) == {"free", "only_se", "not_dk"}


def test_what_is_blocked_is_part_of_the_identity_of_all_that_looks_at_it(models, blocking):
    changed = {model.name for model in blocking if model.hash != models.get(model.name).hash}
    assert {"staging.stg_items", REGION_EXCLUSIONS, "features.item_features"} <= changed
    assert "staging.stg_users" not in changed


def test_what_may_not_be_offered_in_a_region_is_excluded_there(models):
    run = run_over(models)
    regions = dict(run.frame(USER_REGIONS, [c.USER_ID, c.AVAILABILITY_REGION]).rows())
    assert regions == {"swede": "SE", "dane": "DK", "finn": "", "nomad": UNKNOWN_REGION, "hidden": UNKNOWN_REGION}
    excluded = run.frame(REGION_EXCLUSIONS).group_by(c.AVAILABILITY_REGION).agg(pl.col(c.ITEM_ID).sort())
    assert dict(excluded.rows()) == {
        "DK": ["not_dk", "only_se"], "": ["only_se"], UNKNOWN_REGION: ["not_dk", "only_se"],
    }  # fmt: skip
