from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts.tables import BIAS
from recs_platform.stages.reports.bias import final_ndcg, judge_bias, measure_bias
from recs_platform.stages.reports.bias_limits import BiasConfig
from recs_platform.stages.reports.exposure import ExposureConfig, assign_tiers
from recs_platform.stages.reports.mitigation import list_rows, mitigation_rows, section, worst_ratio
from recs_platform.stages.reports.quality import ATTRIBUTES, QualityConfig, with_tenure
from recs_platform.stages.reports.verdicts import Judgement, contract_frame

AS_OF = datetime(2020, 1, 5, tzinfo=UTC)
NO_METRICS = pl.DataFrame(schema={"user_id": pl.String, "value": pl.Float64})
# 100 interactions: a makes 40 % alone, b to d the middle, e the last 10 %; f and g have none.
COUNTS = pl.DataFrame({"item_id": list("abcdefg"), "interaction_count": [40, 20, 15, 15, 10, 0, 0]})


def lists(content: dict[str, str]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in content.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row")


def people(n: int, **attributes) -> pl.DataFrame:
    schema = dict.fromkeys(("user_id", *ATTRIBUTES), pl.String)
    empty = dict.fromkeys(ATTRIBUTES, [None] * n)
    return pl.DataFrame({"user_id": [f"u{i:03d}" for i in range(n)]} | empty | attributes, schema=schema)


def ndcg(values) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [f"u{i:03d}" for i in range(len(values))], "value": np.asarray(values, float)})


def measure(recommended=None, metrics: pl.DataFrame = NO_METRICS, users: pl.DataFrame | None = None) -> pl.DataFrame:
    found = measure_bias(
        lists(recommended or {}), COUNTS, metrics, people(0) if users is None else users, as_of=AS_OF, seed=1
    )
    assert found.columns == list(BIAS.column_names)
    return found


def groups(frame: pl.DataFrame, attribute: str, metric: str | None = None) -> dict[str, dict]:
    chosen = frame.filter(attribute=attribute)
    chosen = chosen if metric is None else chosen.filter(metric=metric)
    return {row["group_name"]: row for row in chosen.iter_rows(named=True)}


def measure_groups(users: pl.DataFrame, *, learned_from=None, tested=None) -> pl.DataFrame:
    return measure_bias(
        lists({}), COUNTS, NO_METRICS, users, as_of=AS_OF, seed=1, learned_from=learned_from, tested=tested
    )


def judge(frame: pl.DataFrame) -> dict[str, Judgement]:
    return {judgement.subject: judgement for judgement in judge_bias(frame, BiasConfig())}


def test_tiers_follow_the_share_of_interactions():
    tiers = dict(assign_tiers(COUNTS, ExposureConfig()).select("item_id", "tier").rows())
    unseen = dict.fromkeys("fg", "never_interacted")
    assert tiers == {"a": "head", "b": "torso", "c": "torso", "d": "torso", "e": "tail"} | unseen


def test_exposure_is_held_against_interactions_and_catalogue():
    frame = measure({f"u{i}": "ab" for i in range(40)} | {"v": "fz"})
    positions = 82
    against = groups(frame, "popularity_tier", "exposure_share_vs_interactions")
    assert against["head"]["value"] == pytest.approx(40 / positions)
    assert against["head"]["reference"] == pytest.approx(0.4)
    assert against["head"]["ratio"] == pytest.approx(40 / positions / 0.4)
    assert against["tail"]["value"] == 0.0
    catalogue = groups(frame, "popularity_tier", "exposure_share_vs_catalogue")
    # z is recommended and in no catalogue: it counts as an eighth item without interactions.
    assert catalogue["never_interacted"]["value"] == pytest.approx(2 / positions)
    assert catalogue["never_interacted"]["reference"] == pytest.approx(3 / 8)
    assert catalogue["never_interacted"]["sample_size"] == 3


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from([f"u{i}" for i in range(9)]), st.sets(st.sampled_from("abcdefgz"), min_size=1)))
def test_exposure_shares_sum_to_one_and_so_do_their_references(recommended):
    frame = measure({user: "".join(sorted(items)) for user, items in recommended.items()})
    sums = (
        frame.filter(dimension="exposure", verdict="no_data").group_by("metric").agg(pl.col("value", "reference").sum())
    )
    assert (sums.height == 2) == bool(recommended)
    if recommended:
        assert sums["value"].to_list() == pytest.approx([1.0, 1.0])
        assert sums["reference"].to_list() == pytest.approx([1.0, 1.0])


def test_lists_of_nothing_but_hits_warn_and_fair_ones_pass():
    hits = judge(measure({f"u{i}": "a" for i in range(100)}))["exposure: popularity_tier"]
    assert hits.verdict == "warn"
    fair = {f"u{i:03d}": "aabcdef"[i % 7] for i in range(140)}
    assert judge(measure(fair))["exposure: popularity_tier"].verdict == "pass"


def test_what_is_said_of_tiers_is_the_end_of_the_interval_and_its_limit_and_no_tier_without_one():
    # The torso has no limit, however little of it is shown; every list alike, the interval is a point.
    told = judge(measure({f"u{i:03d}": "ae" for i in range(100)}))["exposure: popularity_tier"]
    assert told.verdict == "warn"
    assert told.message == (
        "never_interacted: 0.0% of list places, 0.00 times its share of the catalogue; at most 0.00 times (95 %), and "
        "only below 0.05 warns."
    )


def test_a_pass_says_which_number_was_compared_with_what():
    values = [0.5] * 200 + [0.0, 0.9] * 50
    told = judge(measure(metrics=ndcg(values), users=people(300, gender=["f"] * 200 + ["m"] * 100)))["quality: gender"]
    assert told.verdict == "pass"
    assert told.value is not None
    assert told.message == (
        f"m: ndcg 0.4500, {0.45 / np.mean(values):.2f} times everyone's; at most {told.value:.2f} times (95 %), and "
        "only below 0.80 warns."
    )
    assert told.threshold == 0.8
    assert told.value > 0.8


def test_few_lists_or_none_say_nothing_of_exposure():
    for recommended in ({}, {"u1": "a", "u2": "b"}):
        assert judge(measure(recommended))["exposure: popularity_tier"].verdict == "no_data"


def test_an_attribute_that_nobody_has_is_one_row_of_no_data_and_never_a_pass():
    frame = measure(metrics=ndcg([0.5] * 100), users=people(100))
    for attribute in ("age_band", "gender", "country", "subscription"):
        rows = groups(frame, attribute)
        assert {name: row["verdict"] for name, row in rows.items()} == {"no_data": "no_data"}
        assert judge(frame)[f"quality: {attribute}"].verdict == "no_data"


def test_users_missing_an_attribute_are_a_group_that_is_never_judged():
    users = people(200, gender=["f"] * 90 + ["m"] * 90 + [None, " "] * 10)
    rows = groups(measure(metrics=ndcg([0.4, 0.6] * 100), users=users), "gender")
    assert {name: (row["sample_size"], row["verdict"]) for name, row in rows.items()} == {
        "f": (90, "pass"), "m": (90, "pass"), "no_data": (20, "no_data"),
    }  # fmt: skip
    mostly_unknown = people(200, gender=["f"] * 40 + ["m"] * 40 + [None] * 120)
    told = judge(measure(metrics=ndcg([0.4, 0.6] * 100), users=mostly_unknown))["quality: gender"]
    assert told.verdict == "no_data"
    assert told.message.startswith("40% of 200 are in groups")
    assert told.message.endswith("; 80% are needed.")


@pytest.mark.parametrize(
    ("level", "n", "expected"), [(0.5, 100, "pass"), (0.32, 100, "warn"), (0.05, 100, "block"), (0.05, 50, "warn")]
)
def test_a_group_served_clearly_worse_is_found(level, n, expected):
    values = [0.5] * 300 + [level] * n
    users = people(300 + n, subscription=["paid"] * 300 + ["free"] * n)
    frame = measure(metrics=ndcg(values), users=users)
    row = groups(frame, "subscription")["free"]
    assert row["verdict"] == expected
    assert row["ratio"] == pytest.approx(level / np.mean(values))
    assert judge(frame)["quality: subscription"].verdict == expected


def test_a_group_too_small_to_judge_neither_passes_nor_warns():
    frame = measure(metrics=ndcg([0.5] * 300 + [0.0] * 12), users=people(312, gender=["f"] * 300 + ["m"] * 12))
    assert groups(frame, "gender")["m"]["verdict"] == "no_data"


def test_a_group_that_is_everyone_has_nothing_to_be_compared_with():
    frame = measure(metrics=ndcg([0.5] * 100), users=people(100, gender=["f"] * 100))
    assert groups(frame, "gender")["f"]["verdict"] == "no_data"


def test_the_eight_largest_countries_are_shown_and_the_rest_is_other():
    countries = [f"c{min(i // 10, 10)}" for i in range(120)]
    frame = measure(metrics=ndcg([0.5] * 120), users=people(120, country=countries))
    rows = groups(frame, "country")
    assert len(rows) == 9
    assert rows["c10"]["sample_size"] == 20
    assert rows["other"]["sample_size"] == 30


def test_one_protocol_and_k_of_the_final_lists_is_judged():
    rows = [
        ("global", "final", 10, 0.1),
        ("global", "final", 5, 0.2),
        ("a", "final", 10, 0.3),
        ("global", "als", 10, 0.4),
    ]
    frame = pl.DataFrame(
        [(protocol, model, "u", "ndcg", k, value) for protocol, model, k, value in rows],
        schema=["protocol", "model", "user_id", "metric", "k", "value"],
        orient="row",
    )
    assert final_ndcg(frame).rows() == [("u", 0.1)]
    assert final_ndcg(frame.filter(model="als")).is_empty()


def test_before_and_after_tell_of_the_planted_group_that_its_gap_closed():
    users = people(80, age_band=["old"] * 40 + ["young"] * 40)

    def served(young: float, old: float) -> pl.DataFrame:
        return users.select("user_id", value=pl.when(pl.col("age_band") == "old").then(old).otherwise(young))

    rows = list(mitigation_rows(served(0.3, 0.1), served(0.28, 0.2), users, seed=1, config=QualityConfig()))
    told = {(row["attribute"], row["group_name"]): (row["reference"], row["value"]) for row in rows}
    assert told == {
        ("age_band", "old"): (pytest.approx(0.1 / 0.2), pytest.approx(0.2 / 0.24)),
        ("age_band", "young"): (pytest.approx(0.3 / 0.2), pytest.approx(0.28 / 0.24)),
    }
    lists = [pl.DataFrame({"metric": ["gini", "diversity"], "value": [value, 0.5]}) for value in (0.9, 0.6)]
    frame = contract_frame([{"as_of": AS_OF, **row} for row in (*rows, *list_rows(*lists))], BIAS)
    assert worst_ratio(frame) == {
        "worst_group_ndcg_ratio_unmitigated": pytest.approx(0.5),
        "worst_group_ndcg_ratio_mitigated": pytest.approx(0.2 / 0.24),
    }
    assert judge_bias(frame, BiasConfig()) == []
    page = section(frame, ["training.balance"])
    assert "training.balance" in page.text
    for said in ("age_band: old", ".500", ".833", ">gini<", ".900"):
        assert said in page.figure
    assert "diversity" not in page.figure
    assert (
        list(mitigation_rows(served(0.3, 0.1).clear(), served(0.3, 0.1), users, seed=1, config=QualityConfig())) == []
    )


@pytest.mark.parametrize("attribute", ["region", "top_device", "tenure"])
def test_groups_by_how_people_come_warn_and_never_block(attribute):
    users = people(400, **{attribute: ["many"] * 300 + ["few"] * 100})
    told = judge(measure(metrics=ndcg([0.5] * 300 + [0.05] * 100), users=users))[f"quality: {attribute}"]
    assert told.verdict == "warn"
    assert told.message.startswith("few: ndcg 0.0500")


def test_a_user_is_new_for_four_weeks_and_of_no_group_where_nothing_is_known():
    users = people(4).drop("tenure")
    tenures = pl.DataFrame({"user_id": ["u000", "u001", "u002"], "tenure_days": [27.9, 28.0, None]})
    told = with_tenure(users, tenures, QualityConfig())
    assert told.sort("user_id")["tenure"].to_list() == ["new", "established", None, None]
    assert with_tenure(users, tenures.clear(), QualityConfig())["tenure"].to_list() == [None] * 4


def test_a_planted_group_that_the_ranker_hardly_learns_from_is_found():
    # 100 of 400 users are old: a quarter of those who are given lists, and 4 of 100 who teach the ranker.
    users = people(400, age_band=["young"] * 300 + ["old"] * 100, gender=["f", "m"] * 200)
    taught = pl.DataFrame({"user_id": [f"u{i:03d}" for i in (*range(96), *range(300, 304))] * 2})
    frame = measure_groups(users, learned_from=taught)
    rows = groups(frame.filter(dimension="training"), "age_band")
    assert rows["old"]["value"] == pytest.approx(0.04)
    assert rows["old"]["reference"] == pytest.approx(0.25)
    assert (rows["old"]["verdict"], rows["young"]["verdict"]) == ("warn", "pass")
    told = judge(frame)
    assert told["training: gender"].verdict == "pass"
    assert told["training: age_band"].verdict == "warn"
    assert told["training: age_band"].message.startswith(
        "old: 4.0% of what the ranker learns from, 0.16 times its share of users; at most "
    )
    # Nobody's country is known, and who is new now was not there to be learned from.
    assert set(frame.filter(dimension="training")["attribute"]) == {"age_band", "gender"}
    assert measure_groups(users, learned_from=taught.clear()).filter(dimension="training").is_empty()


def test_a_group_whose_items_are_chosen_less_than_expected_is_found():
    users = people(200, age_band=["young"] * 100 + ["old"] * 100)
    tested = pl.DataFrame(
        {
            "user_id": [f"u{i:03d}" for i in range(200) for _ in range(10)],
            "probability": [0.3] * 2000,
            # Of ten items three are chosen by the young, one by the old.
            "was_chosen": [at < (3 if i < 100 else 1) for i in range(200) for at in range(10)],
        }
    )
    frame = measure_groups(users, tested=tested).filter(dimension="calibration")
    rows = groups(frame, "age_band")
    assert (rows["young"]["ratio"], rows["old"]["ratio"]) == (pytest.approx(1.0), pytest.approx(1 / 3))
    assert (rows["young"]["verdict"], rows["old"]["verdict"]) == ("pass", "warn")
    told = judge(frame)["calibration: age_band"]
    assert told.message.startswith("old: 10.00% of listed items chosen, 0.33 times what was expected; at most ")
    untaught = tested.with_columns(probability=pl.lit(None, pl.Float64))
    assert measure_groups(users, tested=untaught).filter(dimension="calibration").is_empty()
