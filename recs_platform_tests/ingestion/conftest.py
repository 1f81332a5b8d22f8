"""One warm parent for all tests of this room, and a home that it ingests."""

import pytest

from recs_platform_tests.ingestion.children import nursery
from recs_platform_tests.ingestion.houses import House


@pytest.fixture(scope="session")
def parent(tmp_path_factory):
    with nursery(tmp_path_factory.mktemp("nursery")) as warm:
        yield warm


@pytest.fixture
def house(tmp_path, parent):
    return House(tmp_path, parent)
