from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import VERDICTS
from recs_platform.pages import Section, render_page
from recs_platform.stages.reports.verdicts import SEVERITY, Judgement, contract_frame, verdict_rows, worst

AS_OF = datetime(2020, 1, 5, tzinfo=UTC)


@given(st.lists(st.sampled_from(SEVERITY)))
def test_the_worst_is_a_pass_only_when_everything_passed(verdicts):
    assert (worst(verdicts) == "pass") == (bool(verdicts) and set(verdicts) == {"pass"})
    assert worst(verdicts) == worst(reversed(verdicts))
    assert (worst(verdicts) == "block") == ("block" in verdicts)


def test_a_word_that_is_no_verdict_is_refused():
    with pytest.raises(ContractError, match="'fine'"):
        worst(["pass", "fine"])


def test_verdict_rows_follow_the_contract_even_when_there_are_none():
    frame = verdict_rows("drift", [Judgement("t", "warn", "moved", 0.5, 0.3, 10)], as_of=AS_OF)
    assert frame.rows() == [(AS_OF, "drift", "t", "warn", 0.5, 0.3, 10, "moved")]
    empty = verdict_rows("drift", [], as_of=AS_OF)
    assert empty.columns == list(VERDICTS.column_names)
    assert empty.schema == frame.schema


def test_rows_that_break_the_contract_are_refused():
    with pytest.raises(ContractError, match="report"):
        contract_frame([{"as_of": AS_OF, "subject": "s", "verdict": "pass", "message": "m"}], VERDICTS)
    with pytest.raises(ContractError, match="surprise"):
        contract_frame([{"surprise": 1}], VERDICTS)


def test_a_page_escapes_what_data_says_and_runs_no_script():
    table = pl.DataFrame({"group_name": ["<script>alert(1)</script>"], "value": [None], "verdict": ["warn"]})
    page = render_page("A & B", AS_OF, [Section("<h>", "5 < 6", table)])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "A &amp; B" in page
    assert '<td class="warn">warn</td>' in page
