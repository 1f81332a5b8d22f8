"""What variety costs on a small home: the first row is what is released, the last varies most; the page shows both."""

import pytest

from recs_platform.contracts.errors import NotReady
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.tradeoff import trade_off, write_trade_off
from recs_platform_tests.homes import Built, copy_home


@pytest.fixture(scope="module")
def platform(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return copy_home(built.platform, tmp_path_factory.mktemp("tradeoff") / "home", max_per_category=10)


def test_more_variety_is_asked_for_and_measured(platform: Platform, built: Built):
    rows = trade_off(platform, built.as_of, built.known_at, lambda _: None, steps=(0.0, 0.5, 1.0))
    assert rows["setting"].to_list() == [0.0, 0.5, 1.0]
    assert rows["diversity"].is_sorted()
    assert rows["diversity"][2] > rows["diversity"][0]
    text = (platform.home.root / write_trade_off(platform, built.as_of, rows)).read_text()
    assert text.count("<svg") == 4


def test_without_a_test_window_there_is_nothing_to_trade(platform: Platform, built: Built):
    with pytest.raises(NotReady, match="no test window"):
        trade_off(platform, built.as_of.replace(day=4, month=1), built.known_at, lambda _: None)
