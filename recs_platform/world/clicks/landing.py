"""Files of a world of clicks, in contract columns, for landing; written like those of `world.landing`."""

from pathlib import Path

from recs_platform.world.clicks.simulation import ClickWorld
from recs_platform.world.landing import parquet_writer, write_whole


def write_click_landing(world: ClickWorld, folder: Path) -> list[Path]:
    """Write `<preset>-<key>/` with events (Parquet, a file a span of time), items and users; return sorted paths."""
    target = folder / f"{world.config.preset}-{world.config.key}"
    target.mkdir(parents=True, exist_ok=True)
    written = [
        write_whole(target / "items.parquet", parquet_writer(world.items)),
        write_whole(target / "users.parquet", parquet_writer(world.users)),
    ]
    start = 0
    for number, rows in enumerate(world.file_rows):
        part = world.events.slice(start, rows)
        written.append(write_whole(target / f"events.{number:03d}.parquet", parquet_writer(part)))
        start += rows
    return sorted(written)
