import pytest

from recs_platform.world import Truth, World, WorldConfig, simulate

SMALL = WorldConfig(users=300, items=200, days=28, events=60_000)


@pytest.fixture(scope="session")
def world() -> World:
    return simulate(SMALL)


@pytest.fixture(scope="session")
def truth(world: World) -> Truth:
    return world.truth
