"""Whoever reads a file of a release whose bytes are not those that were written names it, in one line."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.home import Home
from recs_platform.lake.artifacts import artifact
from recs_platform.stages import releases
from recs_platform.stages.releases.expiry import list_expiry, read_list_expiry
from recs_platform.stages.releases.files import (
    EXPIRY_FILE,
    LISTS_FILE,
    REFERENCES_FILE,
    RELEASES_ARTIFACT,
    SERVED_ARTIFACT,
    SHARED_FILE,
    SURFACE_FILE,
)
from recs_platform.stages.releases.reading import read_lists_of, read_surface_lists_of
from recs_platform.stages.releases.removing import count_in_release, remove_from_release
from recs_platform.stages.releases.replacements import replacement_of
from recs_platform.stages.releases.replacing import replace_rows
from recs_platform.stages.releases.served import (
    ROWS_FILE,
    SURFACE_USERS_FILE,
    read_served,
    read_served_surfaces,
    seal_replacement,
)
from recs_platform.stages.releases.withheld import Withheld
from recs_platform_tests.unit.stages.releases.bundles import AS_OF
from recs_platform_tests.unit.stages.releases.test_replacing import OPTED_OUT, WITHDRAWN, sealed

KEYS = pl.DataFrame({"surface": ["email"], "user_id": ["u1"]})


def damage(file: Path) -> None:
    """Change bytes in the middle of each column; the file still ends as Parquet does."""
    changed, columns = bytearray(file.read_bytes()), pq.ParquetFile(file).metadata.row_group(0)
    for each in (columns.column(number) for number in range(columns.num_columns)):
        start = each.dictionary_page_offset or each.data_page_offset
        for at in range(start, start + each.total_compressed_size):
            changed[at] ^= 0xA5
    file.unlink()
    file.write_bytes(changed)


def replacing(home: Home, release: str) -> object:
    found = releases.find_release(home, release)
    return replace_rows(home, found, None, Withheld(OPTED_OUT, WITHDRAWN), ("fallback",))


def forgetting(home: Home, release: str) -> object:
    return remove_from_release(home.artifacts, RELEASES_ARTIFACT, releases.find_release(home, release), ["u8"])


def counting(home: Home, release: str) -> object:
    return count_in_release(home.artifacts, RELEASES_ARTIFACT, releases.find_release(home, release), ["u8"])


@pytest.mark.parametrize(
    ("file", "read"),
    [
        (LISTS_FILE, releases.read_release),
        (LISTS_FILE, lambda home, release: read_lists_of(home, release, KEYS)),
        (LISTS_FILE, replacing),
        (LISTS_FILE, forgetting),
        (SURFACE_FILE, releases.read_surface_lists),
        (SURFACE_FILE, lambda home, release: read_surface_lists_of(home, release, KEYS)),
        (SURFACE_FILE, replacing),
        (SURFACE_FILE, counting),
        (SHARED_FILE, replacing),
        (REFERENCES_FILE, replacing),
        (REFERENCES_FILE, forgetting),
        (EXPIRY_FILE, read_list_expiry),
        (EXPIRY_FILE, counting),
    ],
)
def test_a_damaged_file_of_a_release_is_named(tmp_path: Path, file: str, read: Callable[[Home, str], object]) -> None:
    home = Home(tmp_path)
    none = pl.DataFrame(schema={"user_id": pl.String, "active_day_count_28d": pl.Int64})
    release = sealed(home, list_expiry(pl.Series(["u1", "u2", "u8"]), none, AS_OF, days_min=1, days_max=7))
    damage(artifact(home.artifacts, RELEASES_ARTIFACT, release) / file)
    with pytest.raises(ContractError, match=rf"{file} is damaged: .*restore it from a copy of the home") as refused:
        read(home, release)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("file", "read"), [(ROWS_FILE, read_served), (SURFACE_USERS_FILE, read_served_surfaces)])
def test_a_damaged_file_of_what_is_served_instead_is_named(
    tmp_path: Path, file: str, read: Callable[[Home, str], object]
) -> None:
    home = Home(tmp_path)
    release = sealed(home)
    found = releases.find_release(home, release)
    made = replace_rows(home, found, None, Withheld(OPTED_OUT, WITHDRAWN), ("fallback",))
    seal_replacement(home, found, made, known_at=AS_OF, sealed_at=AS_OF)
    there = replacement_of(home, release)
    assert there is not None
    damage(artifact(home.artifacts, SERVED_ARTIFACT, there.version) / file)
    with pytest.raises(ContractError, match=rf"{file} is damaged: its bytes"):
        read(home, release)
