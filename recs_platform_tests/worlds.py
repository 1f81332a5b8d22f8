"""Small worlds for tests of other rooms. Truths about worlds are tested in `unit/world`."""

from pathlib import Path

from recs_platform.world import World, WorldConfig, simulate, write_landing

TINY = WorldConfig(users=60, items=80, days=30, events=4_000, event_files=2)


def tiny_world(folder: Path) -> World:
    """Simulate about 4,000 events of 60 users and write them into `folder` (a home's `landing/world`)."""
    world = simulate(TINY)
    write_landing(world, folder)
    return world
