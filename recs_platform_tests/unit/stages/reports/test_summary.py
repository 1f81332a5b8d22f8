"""A release in a line: what is reported is what was measured, with how much it rests on, or why there is nothing."""

from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts.tables import CONTENDERS, OFFLINE_METRICS, VERDICTS
from recs_platform.stages.reports.summary import quality, quality_sentence, verdict_counts, verdict_sentence
from recs_platform.stages.reports.verdicts import contract_frame

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)


def measured(means: dict[str, float], *, users: int = 100, protocol: str = "global") -> pl.DataFrame:
    rows = [
        {
            "as_of": AS_OF, "model": model, "segment": "all", "metric": "ndcg", "k": 10, "value": value,
            "ci_low": value - 0.01, "ci_high": value + 0.01, "n_users": users, "protocol": protocol,
            "horizon_days": 14, "n_windows": 12,
        }
        for model, value in means.items()
    ]  # fmt: skip
    return contract_frame(rows, OFFLINE_METRICS)


def sentence(metrics: pl.DataFrame) -> str:
    found = quality(metrics)
    assert found is not None
    return quality_sentence(found)


def test_lists_stand_beside_popularity_and_the_best_source_with_intervals() -> None:
    assert sentence(measured({"final": 0.105, "popularity": 0.046, "profiles": 0.09, "als": 0.08})) == (
        "NDCG@10 of the final lists .105 [.095, .115], popularity .046 [.036, .056] (2.3 times), "
        "best source profiles .090 [.080, .100] (1.2 times); 100 user windows, held out: rolling windows of 14 days"
    )


def test_a_small_difference_is_not_told_as_none() -> None:
    told = sentence(measured({"final": 0.467, "popularity": 0.445, "als": 0.467}))
    assert "popularity .445 [.435, .455] (1.05 times)" in told
    assert "best source als .467 [.457, .477] (1.0 times)" in told


def tried(source: str, ndcg: float, *, users: int) -> pl.DataFrame:
    row = {
        "as_of": AS_OF, "history_group": "all", "contender": source, "ndcg": ndcg, "n_cutoffs": 5, "n_users": users,
        "is_chosen": False, "reason": "another was chosen",
    }  # fmt: skip
    return contract_frame([row], CONTENDERS)


def test_lists_below_the_best_source_say_which_step_costs_how_much() -> None:
    metrics = measured({"final": 0.150, "new_items": 0.190, "popularity": 0.1})
    found = quality(metrics, tried("new_items", 0.160, users=100))
    assert found is not None
    assert (
        "best source new_items .190 [.180, .200] (0.8 times) (of the difference -.030 come with re-ranking: new_items "
        "alone has .160 after the rules; -.010 with the order of candidates); 100 user windows"
    ) in quality_sentence(found)
    elsewhere = quality(metrics, tried("new_items", 0.160, users=80))
    assert elsewhere is not None
    assert "after the rules, by trials of 80 user windows;" in quality_sentence(elsewhere)


def test_lists_above_the_best_source_and_one_that_was_not_tried_say_nothing_of_costs() -> None:
    for means, source in (({"final": 0.2, "als": 0.1}, "als"), ({"final": 0.1, "als": 0.2}, "spectral")):
        found = quality(measured(means), tried(source, 0.1, users=100))
        assert found is not None
        assert "difference" not in quality_sentence(found)


def test_popularity_that_is_the_best_source_is_named_once() -> None:
    said = sentence(measured({"final": 0.1, "popularity": 0.2, "als": 0.1}))
    assert "popularity .200 [.190, .210] (0.5 times), which is the best source;" in said


def test_a_rival_that_found_nothing_is_no_divisor_and_one_not_measured_is_left_out() -> None:
    assert "popularity .000" in sentence(measured({"final": 0.1, "popularity": 0.0}))
    assert "times" not in sentence(measured({"final": 0.1, "popularity": 0.0, "als": 0.0}))
    assert "popularity" not in sentence(measured({"final": 0.1, "als": 0.05}))


def test_few_windows_are_said_to_be_few() -> None:
    assert "12 user windows, fewer than 30, too few to compare, held out" in sentence(
        measured({"final": 0.1}, users=12)
    )


def test_one_protocol_is_told_and_nothing_measured_is_none() -> None:
    both = pl.concat(
        [measured({"final": 0.1}), measured({"final": 0.9}, protocol="global_with_new_items")], how="vertical"
    )
    assert sentence(both).startswith("NDCG@10 of the final lists .100")
    assert quality(measured({"final": 0.1}).clear()) is None
    assert quality(measured({"als": 0.1})) is None


def judged(*verdicts: tuple[str, str, str]) -> pl.DataFrame:
    rows = [
        {"as_of": AS_OF, "report": report, "subject": subject, "verdict": verdict, "sample_size": 1, "message": "m"}
        for report, subject, verdict in verdicts
    ]
    return contract_frame(rows, VERDICTS)


def test_verdicts_are_counted_and_what_did_not_pass_is_named_gravest_first() -> None:
    found = judged(
        ("drift", "users", "warn"), ("bias", "age", "no_data"), ("bias", "tier", "pass"), ("q", "x", "block")
    )
    assert verdict_counts(found) == {"pass": 1, "no_data": 1, "warn": 1, "block": 1}
    assert verdict_sentence(found) == (
        "1 pass, 1 no_data, 1 warn, 1 block; block: q x; warn: drift users; no_data: bias age"
    )
    assert verdict_sentence(judged(("drift", "users", "pass"))) == "1 pass, 0 no_data, 0 warn, 0 block"


def test_many_names_are_cut_and_counted() -> None:
    found = judged(*(("bias", f"age {number}", "warn") for number in range(7)))
    assert verdict_sentence(found).endswith("warn: bias age 0, bias age 1, bias age 2, bias age 3 and 3 more")
