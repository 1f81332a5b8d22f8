"""Where things lie under the home folder, and the names of its locks."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# Beside the pages of the reports of an as-of; it shows what some users consumed.
RELEASE_PAGE = "release.html"


class Lock(StrEnum):
    """What one process at a time may do in a home; the name is that of the lock's file."""

    INGEST = "ingest"  # write raw tables
    AS_OF = "as_of"  # build, publish, take rows back
    PUBLISH = "publish"  # read what is in force and publish it; taken after those of rows
    SERVED = "served"  # change which release is in force, or what is served of it; taken last
    EMBEDDINGS = "embeddings"  # fit vectors
    UI = "ui"  # serve the UI and its daemon
    INSTANCE = "instance"  # create the storages of Dagster


@dataclass(frozen=True)
class Home:
    """The home folder; a backup of the platform is a copy of it."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "recs.toml"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def sources(self) -> Path:
        """Sources of one's own, beside those of the package; an upgrade leaves them as they are."""
        return self.root / "sources"

    @property
    def models(self) -> Path:
        """SQL models of one's own, in folders named by their schema."""
        return self.root / "models"

    @property
    def rules(self) -> Path:
        """Re-ranking rules of one's own, a Python file each."""
        return self.root / "rules"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def batches(self) -> Path:
        return self.root / "batches"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def reports_address(self) -> Path:
        """Where reports are served while a UI runs: one line, `http://127.0.0.1:3001`."""
        return self.reports / ".address"

    @property
    def user_pages(self) -> Path:
        """Pages on single users, which `recs explain USER` writes."""
        return self.reports / "users"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def analytics(self) -> Path:
        return self.published / "analytics.duckdb"

    @property
    def role_files(self) -> Path:
        """What is published for people who may see less, a file a role."""
        return self.published / "roles"

    @property
    def exports(self) -> Path:
        """Lists in force as files for other systems, as the settings say."""
        return self.root / "exports"

    @property
    def role_key(self) -> Path:
        """Key of the pseudonyms in the files of roles."""
        return self.keys / "roles.key"

    @property
    def keys(self) -> Path:
        """Secrets of this home; only its owner may read them."""
        return self.root / "keys"

    @property
    def pseudonym_key(self) -> Path:
        return self.keys / "pseudonym.key"

    @property
    def forget_key(self) -> Path:
        """Key of the hashes by which forgotten people are known again."""
        return self.keys / "forget.key"

    @property
    def tombstones(self) -> Path:
        """Keyed hashes of people who were forgotten; written anew as a whole."""
        return self.forgets / "tombstones.json"

    @property
    def forgets(self) -> Path:
        """What is kept of people who were forgotten: hashes and receipts, and requests to forget that wait."""
        return self.root / "forgets"

    @property
    def api_keys(self) -> Path:
        """Keys of the HTTP interface, hashed, a file each."""
        return self.keys / "api"

    @property
    def spool(self) -> Path:
        """Events taken in over HTTP that are not in landing yet."""
        return self.root / "spool"

    @property
    def canary(self) -> Path:
        """How a canary release stands, as `recs serve` keeps it."""
        return self.root / "serving" / "canary.json"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    def lock(self, name: Lock) -> Path:
        """The file that a process holds while it does what the lock is for."""
        return self.locks / name

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def audit(self) -> Path:
        """The audit trail, a line an entry."""
        return self.logs / "audit.jsonl"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def temporary(self) -> Path:
        """Spill files of DuckDB; safe to delete when nothing runs."""
        return self.root / "tmp"
