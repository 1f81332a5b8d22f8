"""Keyed pseudonyms of user ids: HMAC-SHA256 (RFC 2104) in hex, in SQL and in Python, and the key file they hang on.

Which columns hold user ids is known where rows are ingested. No key byte is ever part of a SQL text or a message.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.lake.disk import flush, write_whole
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.privacy import Privacy

if TYPE_CHECKING:
    import duckdb

    from recs_platform.contracts.setting_groups import PrivacySettings

KEY_BYTES = 32
_BLOCK_BYTES = 64
_PSEUDONYM = "recs_pseudonym"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_privacy(home: Home, lake: Lake, settings: PrivacySettings) -> Privacy:
    """What ingestion keeps of people; creates the key when pseudonyms are asked for and nothing was ingested.

    The key file tells how the ids of a home are stored, which is decided once. Raises UsageError when the settings
    contradict it, or when the key is lost or cannot be trusted.
    """
    if not settings.pseudonymize:
        if home.pseudonym_key.exists():
            raise UsageError(_turned_off(home, lake))
        return Privacy(None, settings.user_attributes, settings.item_attributes)
    if not home.pseudonym_key.exists() and _has_taken_in(home, lake):
        raise UsageError(
            f"privacy.pseudonymize is on, but data was ingested and there is no {home.pseudonym_key}: either ids are "
            "stored as they came (set it to false, or ingest the data again in a fresh home), or the key was lost "
            "(put it back from a backup)"
        )
    return Privacy(create_key(home), settings.user_attributes, settings.item_attributes)


def create_key(home: Home) -> bytes:
    """The key of the home's pseudonyms, made as `create_key_file` makes one."""
    return create_key_file(home.pseudonym_key)


def create_key_file(path: Path) -> bytes:
    """A key, made when there is none. Of several processes at once one makes it and all read that one.

    Raises UsageError as `read_key_file` does.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            _write_new(aside, secrets.token_bytes(KEY_BYTES))
            # A link never replaces a file: whoever comes second reads the first one's key, whole.
            with suppress(FileExistsError):
                path.hardlink_to(aside)
        finally:
            aside.unlink(missing_ok=True)
        flush((path.parent, path.parent.parent))
    key = read_key_file(path)
    if key is None:
        raise UsageError(f"{path} vanished while it was made; try again")
    return key


def read_key(home: Home) -> bytes | None:
    """The key of the home's pseudonyms, read as `read_key_file` reads one."""
    return read_key_file(home.pseudonym_key)


def read_key_file(path: Path) -> bytes | None:
    """A key; None when there is none. Raises UsageError when others may read it, or it is no key."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}; run as the user who owns it") from None
    try:
        if os.fstat(descriptor).st_mode & _OTHERS:
            raise UsageError(f"others may read the key {path}; run `chmod 600 {path}`, and ask who read it")
        key = os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(key) != KEY_BYTES:
        raise UsageError(f"{path} is no key: it must hold {KEY_BYTES} bytes; put it back from a backup")
    return key


def prepare(con: duckdb.DuckDBPyConnection, key: bytes, name: str = _PSEUDONYM) -> None:
    """Put the padded keys into variables of this connection or cursor, where `pseudonym_sql` of the name finds them."""
    if len(key) > _BLOCK_BYTES:
        raise ValueError(f"a key has at most {_BLOCK_BYTES} bytes")
    block = key.ljust(_BLOCK_BYTES, b"\0")
    for part, pad in (("inner", 0x36), ("outer", 0x5C)):
        con.execute(f"set variable {name}_{part} = $1", [bytes(byte ^ pad for byte in block)])


def pseudonym_sql(expression: str, name: str = _PSEUDONYM) -> str:
    """SQL of the pseudonym of a VARCHAR expression: 64 lower-case hex digits; NULL stays NULL.

    The connection must have been prepared. What it was not prepared for gives NULL, which no required id may be.
    """
    inner = f"unhex(sha256(getvariable('{name}_inner') || encode({expression})))"
    return f"sha256(getvariable('{name}_outer') || {inner})"


def pseudonym(key: bytes, user_id: str) -> str:
    """The same in Python.

    >>> pseudonym(b"Jefe", "what do ya want for nothing?")
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
    """
    return hmac.new(key, user_id.encode(), "sha256").hexdigest()


def names_of(home: Home, user_id: str) -> tuple[str, ...]:
    """Ids under which a user may be stored whom people call `user_id`: the pseudonym, where there are any, then as is.

    Raises UsageError as `read_key` does.
    """
    key = read_key(home)
    return (user_id,) if key is None else (pseudonym(key, user_id), user_id)


def _turned_off(home: Home, lake: Lake) -> str:
    key = home.pseudonym_key
    if _has_taken_in(home, lake):
        return (
            f"privacy.pseudonymize is off, but the ids in this home are pseudonyms under {key}: new rows would not "
            "match them; set it to true, or ingest the data again in a fresh home"
        )
    return (
        f"privacy.pseudonymize is off, but there is a key {key} and nothing was ingested; set it to true, or delete it"
    )


def _has_taken_in(home: Home, lake: Lake) -> bool:
    """Whether rows are in the lake, or in a sealed batch on their way to it."""
    is_sealed = any(home.batches.glob("*.sealed"))
    return is_sealed or (lake.exists(INGESTIONS.name) and bool(lake.files(INGESTIONS.name)))


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_whole(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
