"""SQL of single columns, run on the values of a field and on values that came only later."""

import pytest

from recs_platform.stages.events.profiling.expressions import select_column
from recs_platform.stages.events.profiling.samples import Field
from recs_platform_tests.unit.stages.events.profiling.exports import run


@pytest.mark.parametrize(("text", "told"), [("0", "1"), ("2.0", "3"), ("1.5", "1.5"), ("top", "top")])
def test_places_that_count_from_0_are_not_rounded(con, text, told):
    assert run(con, select_column("events", "position", Field("x", (), ("0", "1")), "UTC"), text) == told


@pytest.mark.parametrize(("text", "told"), [("29.5", "20-29"), ("29.99", "20-29"), ("30", "30-39"), ("old", "old")])
def test_an_age_belongs_to_the_band_it_has_reached(con, text, told):
    assert run(con, select_column("users", "age_band", Field("x", (), ("29.5", "41")), "UTC"), text) == told
