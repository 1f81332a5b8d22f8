"""What settings name and only the home can know: files, and tables of the published file. Looked for before a build.

The rest of what may be wrong in the settings is found when they are read.
"""

from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.pipeline.platform import Platform
from recs_platform.settings import setting_place


def require_named(platform: Platform) -> None:
    """Raise UsageError, with file and line, where a file of vectors or what a role hides is not there."""
    named = platform.settings.retrieval.vectors
    if named is not None and not (platform.home.root / named).is_file():
        place = setting_place(platform.home.settings_file, ("retrieval", "vectors"))
        raise UsageError(f"{place}: retrieval.vectors: there is no file {platform.home.root / named}")
    require_hidden(platform)


def require_hidden(platform: Platform) -> None:
    """Raise UsageError, with file and line, where a role hides what is not published, or nothing can be encrypted.

    Asked before what ends with a publish: that would fail by it when all else is done.
    """
    _require_encryption(platform)
    if not platform.settings.roles:
        return
    # Here: a home without roles does without.
    from recs_platform.pipeline.publishing import published_names
    from recs_platform.pipeline.roles import placed_at_role
    from recs_platform.warehouse.role_files import Role, require_known

    known = published_names(platform)
    for name, role in platform.settings.roles.items():
        with placed_at_role(platform, name):
            require_known(Role(name, role.hide), known)


def _require_encryption(platform: Platform) -> None:
    """Raise UsageError where files are to be encrypted, and DuckDB cannot, or the key is none."""
    if not platform.settings.privacy.encrypt:
        return
    # Here: a home without encryption does without.
    from recs_platform.pipeline.published_keys import published_cipher
    from recs_platform.warehouse.connection import connect
    from recs_platform.warehouse.encryption import require_encryption

    published_cipher(platform)
    con = connect(memory_limit_gb=1, threads=1)
    try:
        require_encryption(con)
    except NotReady as error:
        raise UsageError(f"{setting_place(platform.home.settings_file, ('privacy', 'encrypt'))}: {error}") from None
    finally:
        con.close()
