"""Files of roles beside the analysts' file, as the settings say; those of roles that are gone are removed."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from recs_platform.contracts.errors import UsageError
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.published_keys import published_options, role_cipher
from recs_platform.settings import setting_place

_NAME = "recs_role"


def write_role_files(platform: Platform) -> None:
    """Write the file of each role anew from the published one.

    Pseudonyms are of a key of their own, so that they cannot be joined with those of ingestion. Raises UsageError, with
    file and line, where a role hides what is not there.
    """
    home, settings = platform.home, platform.settings
    for file in home.role_files.glob("*.duckdb"):
        if file.stem not in settings.roles:
            file.unlink()
    if not settings.roles:
        return
    # A tenth of a second that a rollback without roles does without.
    from recs_platform.stages.events.pseudonyms import create_key_file, prepare, pseudonym_sql
    from recs_platform.warehouse.role_files import Role, write_role_file

    key, published = create_key_file(home.role_key), published_options(platform)
    for name, role in settings.roles.items():
        with placed_at_role(platform, name):
            write_role_file(
                home.analytics,
                home.role_files / f"{name}.duckdb",
                Role(name, role.hide),
                replace(published, cipher=role_cipher(platform, name)),
                prepare=lambda con: prepare(con, key, _NAME),
                pseudonym=partial(pseudonym_sql, name=_NAME),
                source_cipher=published.cipher,
            )


@contextmanager
def placed_at_role(platform: Platform, role: str) -> Generator[None, None, None]:
    """Put the place of the role in the settings before what is raised of it."""
    try:
        yield
    except UsageError as error:
        place = setting_place(platform.home.settings_file, ("roles", role, "hide"))
        raise UsageError(f"{place}: {error}") from None
