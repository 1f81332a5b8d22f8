"""Random catalogues are searched, and logs served, without fault; `python -m benchmarks.random_catalogues` is long."""

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.index import ItemIndex
from recs_platform_tests.catalogues import offers
from recs_platform_tests.catalogues.offers import try_offers
from recs_platform_tests.catalogues.searches import KINDS, try_search


def test_every_kind_of_index_answers_in_full_and_with_nothing_ineligible():
    cases = [try_search(seed) for seed in range(20)]
    assert [fault for found in cases for fault in found.faults] == []
    assert {found.kind for found in cases} == set(KINDS)
    assert {found.share for found in cases} >= {"none", "to 10 %", "to 100 %"}


def test_all_sources_together_offer_everyone_enough_and_nothing_else():
    cases = [try_offers(seed) for seed in range(1, 5)]
    assert [fault for found in cases for fault in found.faults] == []
    assert sum(found.candidates for found in cases) > 100
    assert sum(found.idle_users for found in cases) > 0


def twice(_, items, scores):
    return np.concatenate([items[:, -1:], items[:, 1:]], axis=1), scores


SPOILED = {
    "are due": lambda _, items, scores: (items[:, :-1], scores[:, :-1]),
    "are not eligible": lambda index, items, scores: (np.minimum(items + 1, index.items[-1]), scores),
    "an item twice": twice,
    "is not the inner product": lambda _, items, scores: (items, np.nextafter(scores, np.float32(9))),
    "not in order": lambda _, items, scores: (items[:, ::-1], scores[:, ::-1]),
    "others than brute force": lambda _, items, scores: (items[:, ::-1], scores),
    "beside another group": lambda _, items, scores: (items[::-1], scores[::-1]),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_spoiled_answers_are_seen(fault, monkeypatch):
    search = ItemIndex.search
    monkeypatch.setattr(
        ItemIndex, "search", lambda index, *given, **named: SPOILED[fault](index, *search(index, *given, **named))
    )
    assert any(fault in found for seed in range(6) for found in try_search(seed).faults)


# A log most of whose users may be offered more than they are.
SERVED = 8
UNSOUND = {
    "may not be offered": lambda frame: frame.with_columns(pl.lit("i00").alias(c.ITEM_ID)),
    "a candidate twice": lambda frame: pl.concat([frame, frame]),
    "not a number above 0": lambda frame: frame.with_columns(pl.col(c.FUSED_SCORE) * 0),
    "not in order": lambda frame: frame.reverse(),
    "though more may be offered": lambda frame: frame[1:],
}


@pytest.mark.parametrize("fault", UNSOUND)
def test_unsound_candidates_are_seen(fault, monkeypatch):
    generate = offers.generate_candidates
    monkeypatch.setattr(
        offers, "generate_candidates", lambda *given, **named: map(UNSOUND[fault], generate(*given, **named))
    )
    assert any(fault in found for found in try_offers(SERVED).faults)
