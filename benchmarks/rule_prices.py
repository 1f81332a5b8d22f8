"""What each re-ranking rule costs and gives on the test windows of a home: `python -m benchmarks.rule_prices HOME`.

`--before-tests` measures at cutoffs before the tests, which is where strengths are to be chosen.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.pipeline.event_span import default_as_of
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.pipeline.training.tradeoff import price
from recs_platform.settings import Settings

COLUMNS = ("setting", "ndcg", "recall", "coverage", "novelty", "diversity", "miscalibration")


def variants(rare: str) -> dict[str, dict[str, object]]:
    """Changes of the settings by a name for the table; `rare`: an item to pin."""

    def rules(**given: dict[str, object]) -> dict[str, object]:
        return {
            "rules": RulesSettings.model_validate({name: {"enabled": True, **each} for name, each in given.items()})
        }

    strengths = (0.1, 0.3, 0.5, 0.7, 0.9)
    return {
        "none": {},
        **{f"diversity {value}": {"diversity": value} for value in (0.1, 0.3, 0.5)},
        **{f"dpp {value}": rules(dpp={"strength": value}) for value in strengths},
        **{f"calibration {value}": rules(calibration={"strength": value}) for value in strengths},
        "blend novelty 0.2": rules(blend={"novelty": 0.2}),
        "blend popularity 0.2": rules(blend={"popularity": 0.2}),
        "blend diversity 0.3": rules(blend={"diversity": 0.3}),
        "new_items_min 0.2": rules(new_items_min={"share": 0.2}),
        "creator_exposure_floor 0.01": rules(creator_exposure_floor={"lists_share": 0.01}),
        "quotas max_per_creator 2": rules(quotas={"max_per_creator": 2}),
        "pinned, one rare item first": rules(pinned={"items": [{"item_id": rare, "place": 1}]}),
        "boosted, that item tenfold": rules(boosted={"items": [{"item_id": rare, "factor": 10.0}]}),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--before-tests", action="store_true")
    given = parser.parse_args()
    platform = Platform(Settings(home=given.home), sql_folder())
    as_of = default_as_of(platform)
    with platform.model_run(as_of, datetime.now(UTC), scratch=True) as models:
        rare = models.frame("staging.stg_items", ["item_id", "is_available"]).filter("is_available")["item_id"].min()
    rows = price(
        platform, as_of, datetime.now(UTC), print, variants(str(rare)), before_tests=given.before_tests
    )  # fmt: skip
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160):
        print(rows.select(COLUMNS))


if __name__ == "__main__":
    main()
