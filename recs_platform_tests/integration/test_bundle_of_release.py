"""The bundle of a release holds what the lake says of the same as-of."""

import pytest

from recs_platform.contracts import columns as c
from recs_platform.stages.releases import current_release
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform_tests.homes import Built


def test_transitions_are_those_of_the_as_of(built: Built) -> None:
    bundle = open_bundle(built.platform.home, current_release(built.platform.home).version)
    with built.platform.model_run(built.as_of, built.known_at) as models:
        said = models.frame("features.item_transitions", ordered=True)
    assert said.height > 100
    for (item,), rows in list(said.sort(c.ITEM_ID, c.RANK).group_by(c.ITEM_ID, maintain_order=True))[:50]:
        code = bundle.item(str(item))
        assert code is not None
        items, chances = bundle.transitions(code)
        assert [bundle.item_ids[each] for each in items] == rows[c.NEXT_ITEM_ID].to_list()
        assert chances.tolist() == pytest.approx(rows[c.PROBABILITY].to_list())
