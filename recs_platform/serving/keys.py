"""Keys of the HTTP interface: made, listed, revoked, and recognised without telling how near a wrong one came."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.home import Home
from recs_platform.lake.disk import replace_bytes

_TOKEN = re.compile(r"recs_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
BROWSER_CHALLENGE = b'Basic realm="recs", charset="UTF-8"'
_NAME = re.compile(r"\w[\w .@-]{0,63}")


class Scope(StrEnum):
    """What a key may do. One that may administer may do the rest too."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as it is stored: `digest` is SHA-256 of salt and secret, which has 256 random bits of its own."""

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    salt: str
    digest: str
    created_at: datetime
    revoked_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


def create_api_key(home: Home, name: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
    """Make and store a key; its token is returned here and never again. Raises RecsError for a name that cannot be."""
    if not _NAME.fullmatch(name):
        raise RecsError(f"{name!r} cannot name a key: a letter or digit, then also blanks and . @ - _, at most 64")
    home.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.api_keys.mkdir(mode=0o700, exist_ok=True)
    key_id, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
    key = ApiKey(key_id, name, tuple(sorted(set(scopes))), salt, _digest(salt, secret), datetime.now(UTC))
    _store(home, key)
    return key, f"recs_{key_id}_{secret}"


def list_api_keys(home: Home) -> list[ApiKey]:
    """Every key by when it was made, revoked ones too. Raises RecsError naming a file that is no key."""
    found = [_read(path) for path in sorted(home.api_keys.glob("*.json"))]
    return sorted(found, key=lambda key: (key.created_at, key.key_id))


def valid_keys(home: Home, refuse: Callable[[str], object]) -> "KeyRing":
    """Keys that are not revoked; `refuse` is told of each file that is no key, and the others count all the same."""
    return KeyRing(_readable(home, refuse))


def revoke_api_key(home: Home, key_id: str) -> ApiKey:
    """Make a key worthless from the next second on. Raises RecsError for an unknown id."""
    for key in _readable(home, lambda _: None):
        if key.key_id == key_id:
            revoked = msgspec.structs.replace(key, revoked_at=key.revoked_at or datetime.now(UTC))
            _store(home, revoked)
            return revoked
    raise RecsError(f"no key {key_id!r}; `recs keys list` shows those there are")


class KeyRing:
    """Keys that are valid, by id."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys: Mapping[str, ApiKey] = {key.key_id: key for key in keys if key.revoked_at is None}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, token: str) -> ApiKey | None:
        """The key of a token, None for any other text. Secrets are compared in constant time."""
        match = _TOKEN.fullmatch(token)
        key = self._keys.get(match[1]) if match else None
        if match is None or key is None:
            return None
        return key if hmac.compare_digest(_digest(key.salt, match[2]), key.digest) else None


def token_of(authorization: bytes, *, is_page: bool = False) -> str:
    """The token of a header, empty where there is none. Of a page, which a browser asks for, it may be a password.

    >>> token_of(b"Bearer abc"), token_of(b"Basic bmFtZTphYmM=", is_page=True), token_of(b"Basic bmFtZTphYmM=")
    ('abc', 'abc', '')
    """
    scheme, _, given = authorization.decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic" or not is_page:
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode("latin-1").partition(":")[2]
    except ValueError:
        return ""


def _readable(home: Home, refuse: Callable[[str], object]) -> list[ApiKey]:
    found: list[ApiKey] = []
    for path in sorted(home.api_keys.glob("*.json")):
        try:
            found.append(_read(path))
        except RecsError as error:
            refuse(str(error))
    return found


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()


def _store(home: Home, key: ApiKey) -> None:
    path = home.api_keys / f"{key.key_id}.json"
    replace_bytes(path, msgspec.json.encode(key) + b"\n")
    path.chmod(0o600)


def _read(path: Path) -> ApiKey:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ApiKey)
    except (msgspec.DecodeError, OSError) as error:
        raise RecsError(f"{path} is no key: {error}; remove it and make another") from None
