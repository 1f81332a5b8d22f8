"""One run as of an instant: the inputs that its steps share, each read or computed once, on first use."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import shutil
import threading
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import polars as pl
import pyarrow as pa

from recs_platform.lake.processes import is_abandoned, process_name
from recs_platform.pipeline.data_versions import data_version, known_files
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.runner import ModelRun

T = TypeVar("T")
INTERACTIONS = "staging.stg_interactions"
USERS = "staging.stg_users"
ITEMS = "staging.stg_items"
CATALOGUE = "staging.stg_catalogue"
CONSUMED = "staging.stg_consumed"
KNOWN_EVENTS, STAGED = "staging.stg_known_events", "staging.stg_events"
USER_SEGMENTS = "segments.user_segments"
_SHARED_FRAMES = "frames-"
_FOLDER = "folder of frames"


class Memo:
    """Values by name, each made once by whoever asks first, however many threads ask."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self._lock = threading.Lock()
        self._being_made: dict[str, threading.RLock] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """The value of that name; `make` is called where there is none yet, and may ask for other names.

        Values of different names are made side by side: none may ask, through others, for itself.
        """
        with self._lock:
            being_made = self._being_made.setdefault(name, threading.RLock())
        with being_made:
            if name not in self._values:
                self._values[name] = make()
            return cast("T", self._values[name])

    def has(self, name: str) -> bool:
        """Whether it is made."""
        return name in self._values


class AsOfRun:
    """What the steps of a run share: one home, an as-of, and what was known by `known_at`.

    `as_of`: features, lists and reports use events before it. `known_at`: rows ingested later do not exist.
    `raw_versions`: versions of the raw tables when the run started. `once` keeps what depends on the as-of, and
    `known.once` what is the same for every as-of of the run, such as the files and the retrieval config.

    `root`: the run that this one, as of another instant, belongs to; itself where there is none. `keeps_events`: False
    for a question that reads few events once.

    Whole tables are kept as Arrow files under the home's temporary folder and mapped, so that the memory they take is
    the kernel's to reclaim; so are, as Parquet, the known events, which every as-of reads many times. `close` removes
    them; those of dead processes go when the next run writes one.
    """

    def __init__(
        self,
        platform: Platform,
        as_of: datetime,
        known_at: datetime,
        *,
        raw_versions: Mapping[str, int] | None = None,
        known: Memo | None = None,
        root: "AsOfRun | None" = None,
        keeps_events: bool = True,
    ) -> None:
        self.platform = platform
        self.as_of = as_of
        self.known_at = known_at
        self.raw_versions = dict(raw_versions or {})
        self.known = known or Memo()
        self._memo = Memo()
        self.root = root or self
        self.keeps_events = keeps_events

    def at(self, as_of: datetime) -> "AsOfRun":
        """The run as of another instant, with the same knowledge."""
        return self if as_of == self.as_of else self._derived(self.platform, as_of)

    def on_threads(self, threads: int) -> "AsOfRun":
        """The run for work of which others do some beside it: itself and other as-ofs of it take so many threads."""
        if threads == self.platform.settings.threads:
            return self
        return self._derived(self.platform.on_threads(threads), self.as_of)

    def _derived(self, platform: Platform, as_of: datetime) -> "AsOfRun":
        name = f"run as of {as_of.isoformat()} on {platform.settings.threads} threads"
        return self.known.once(name, lambda: self._made(platform, as_of))

    def _made(self, platform: Platform, as_of: datetime) -> "AsOfRun":
        return AsOfRun(
            platform,
            as_of,
            self.known_at,
            raw_versions=self.raw_versions,
            known=self.known,
            root=self.root,
            keeps_events=self.keeps_events,
        )

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made once in this run; everybody who asks for `name` gets the same object."""
        return self._memo.once(name, make)

    @property
    def files(self) -> pl.DataFrame:
        """Files that contributed rows by `known_at`, see `known_files`."""
        return self.known.once("files", lambda: known_files(self.platform, self.known_at))

    def data_version(self, before: datetime | None = None) -> str:
        """Hash of the files that matter before an instant, the as-of by default."""
        return data_version(self.files, before or self.as_of)

    @contextmanager
    def models(self, *, scratch: bool = False, as_kept: bool = False) -> Generator[ModelRun, None, None]:
        """The SQL models as of the run's instant; `scratch` computes upstream models instead of reading the lake.

        `as_kept`: those whose rows were kept of this instant are read instead, see `keep`.
        """
        kept = {KNOWN_EVENTS: self._known_events} if self.keeps_events else {}
        if as_kept:
            kept |= {name: partial(Path, file) for (at, name), file in list(self._kept.items()) if at == self.as_of}
        with self.platform.model_run(self.as_of, self.known_at, scratch=scratch, kept=kept) as models:
            yield models

    def keep(self, models: ModelRun, names: Iterable[str]) -> None:
        """Keep rows of models that a scratch run as of the instant has computed, of the whole log, until `close`."""
        for name in names:
            # Windows of one cutoff are built side by side: none writes into a file that another wrote.
            file = self._folder / f"{name}-{uuid.uuid4()}.parquet"
            models.save(name, file)
            self._kept[self.as_of, name] = file

    @property
    def _kept(self) -> dict[tuple[datetime, str], Path]:
        return self.known.once("rows kept", dict)

    def frame(self, name: str) -> pl.DataFrame:
        """Rows of a view over the raw tables, in no order: computed once, then mapped from a file at each call."""
        file = self.once(f"file of {name}", lambda: self._store(name))
        with pa.memory_map(str(file)) as source:
            table: pa.Table = pa.ipc.open_file(source).read_all()
        return cast("pl.DataFrame", pl.from_arrow(table))

    @property
    def interactions(self) -> pl.DataFrame:
        """Rows of staging.stg_interactions: what each user did with each item, less what is left out."""
        return self.frame(INTERACTIONS)

    @property
    def users(self) -> pl.DataFrame:
        """Rows of staging.stg_users: everybody known by the as-of, with or without consent."""
        return self.frame(USERS)

    @property
    def items(self) -> pl.DataFrame:
        """Rows of staging.stg_items: the catalogue as of the instant."""
        return self.frame(ITEMS)

    @property
    def consumed(self) -> pl.DataFrame:
        """Rows of staging.stg_consumed: pairs that are not recommended again."""
        return self.frame(CONSUMED)

    def close(self) -> None:
        """Remove the files of shared frames, those of other as-ofs too; frames that were read stay usable."""
        if self.known.has(_FOLDER):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _known_events(self) -> Path:
        """What the log holds, read from the lake and joined to the ledger once for all as-ofs."""

        def store() -> Path:
            file = self._folder / f"{KNOWN_EVENTS}.parquet"
            with self.platform.model_run(self.as_of, self.known_at, scratch=True) as models:
                models.save(KNOWN_EVENTS, file)
            return file

        return self.known.once("file of known events", store)

    def _store(self, name: str) -> Path:
        """Compute a table and write it as an Arrow file, streamed."""
        # Runs of one as-of on other threads share the folder: none writes into the file of another.
        threads = self.platform.settings.threads
        file = self._folder / f"{name}-{self.as_of:%Y%m%dT%H%M%S%f}-{threads}.arrow"
        with self.models(scratch=True) as models:
            rows = models.arrow(f"from {models.require(name)}")
            with pa.OSFile(f"{file}.tmp", "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
                for batch in rows:
                    writer.write_batch(batch)
        Path(f"{file}.tmp").replace(file)
        return file

    @property
    def _folder(self) -> Path:
        return self.known.once(_FOLDER, lambda: _frames_folder(self.platform.home.temporary))


def _frames_folder(temporary: Path) -> Path:
    """A folder of this run alone; those of dead processes are removed."""
    for folder in temporary.glob(f"{_SHARED_FRAMES}*"):
        if is_abandoned(folder.name.removeprefix(_SHARED_FRAMES)):
            shutil.rmtree(folder, ignore_errors=True)
    mine = temporary / f"{_SHARED_FRAMES}{process_name()}-{uuid.uuid4().int % 10**8}"
    mine.mkdir(parents=True)
    return mine
