"""Keys of what is published: of the analysts' file and exports one, of the file of each role one of its own."""

from recs_platform.contracts.errors import UsageError
from recs_platform.pipeline.platform import Platform
from recs_platform.settings import PUBLISHED_KEY_VARIABLE, published_key
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.encryption import Cipher

_LENGTH_MIN = 32


def published_cipher(platform: Platform) -> Cipher | None:
    """The key that the environment gives, or that of the home, which is made; None where nothing is encrypted.

    Raises UsageError where the environment's is too short to be one, or others may read the file of the key.
    """
    if not platform.settings.privacy.encrypt:
        return None
    given = published_key()
    if given is None:
        return _of_file(platform, "published")
    if len(given) < _LENGTH_MIN:
        raise UsageError(
            f"the environment's {PUBLISHED_KEY_VARIABLE} has {len(given)} characters; a key needs {_LENGTH_MIN} or more"
        )
    return Cipher(given)


def published_options(platform: Platform) -> DatabaseOptions:
    """What whoever reads or writes the published file may take, and its key."""
    settings = platform.settings
    return DatabaseOptions(
        settings.threads, settings.memory_limit_gb, platform.home.temporary, published_cipher(platform)
    )


def role_cipher(platform: Platform, role: str) -> Cipher | None:
    """The key of a role's file; whoever has it can open no other file."""
    return _of_file(platform, f"role-{role}") if platform.settings.privacy.encrypt else None


def _of_file(platform: Platform, name: str) -> Cipher:
    # A tenth of a second that a rollback without encryption does without.
    from recs_platform.stages.events.pseudonyms import create_key_file

    return Cipher(create_key_file(platform.home.keys / f"{name}.key").hex())
