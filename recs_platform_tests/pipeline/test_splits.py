"""What is held out of each user's last events is gone from whatever a model may read."""

from datetime import UTC, datetime, timedelta

import pytest

from recs_platform.contracts.tables import EVENTS
from recs_platform.pipeline.as_of_run import INTERACTIONS, KNOWN_EVENTS, STAGED, AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.splits import PAIR, Split, hold_out, leave_out, per_user_splits
from recs_platform_tests.worlds import TINY

AT = TINY.start + timedelta(days=30)
RESOLVED = "staging.stg_resolved_events"


@pytest.mark.parametrize("split", per_user_splits(AT))
def test_no_table_has_an_event_on_a_pair_that_is_held_out(taken_in: Platform, split: Split) -> None:
    run = AsOfRun(taken_in, AT, datetime.now(UTC))
    with run.models(scratch=True) as models:
        interactions = models.frame(INTERACTIONS)
        known, positives = hold_out(interactions, None, split)
        gone = models.frame(RESOLVED, ["event_id", *PAIR]).join(known, on=PAIR, how="anti")
        gone = gone.join(interactions, on=PAIR, how="semi")
        leave_out(models, known)
        assert gone.join(positives, on=PAIR, how="semi").height >= positives.height > 0
        for table in (EVENTS.name, KNOWN_EVENTS, RESOLVED, STAGED):
            there = models.frame(table, ["event_id"])
            assert there.height > 0
            assert there.join(gone, on="event_id", how="semi").is_empty(), table
        assert models.frame(INTERACTIONS, PAIR).join(known, on=PAIR, how="anti").is_empty()
    run.close()
