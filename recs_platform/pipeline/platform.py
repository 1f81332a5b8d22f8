"""The platform of one home: settings, lake, models, connections. Its Dagster resource is in `defs.resources`."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

import recs_platform
from recs_platform.contracts.features import FeatureSet
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import AS_OF_TABLES, CANDIDATES, HISTORIES, RAW_TABLES, TableContract
from recs_platform.lake.tables import Lake
from recs_platform.settings import Settings
from recs_platform.warehouse.connection import lend
from recs_platform.warehouse.lineage import ColumnEdge, column_lineage
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.own_models import with_own_models
from recs_platform.warehouse.parameters import Parameter, sql_parameters
from recs_platform.warehouse.parsed_texts import ParsedTexts
from recs_platform.warehouse.runner import ModelRun

if TYPE_CHECKING:
    from recs_platform.stages.events import Sources
    from recs_platform.stages.reranking import OwnRules


PARSED_TEXTS = "parsed_texts.json"


def sql_folder() -> Path:
    """`dbt_like_sql` beside the package in a checkout, inside it when installed as a wheel."""
    package = Path(recs_platform.__file__).parent
    checkout = package.parent / "dbt_like_sql"
    return checkout if checkout.is_dir() else package / "dbt_like_sql"


_ModelFiles = tuple[Path, tuple[TableContract, ...], tuple[tuple[str, Parameter], ...]]
_LOADED = dict[_ModelFiles, Models]()


def _load_models(found: _ModelFiles, temporary: Path) -> Models:
    """The same files are read once a process, for however many homes; SQL is not parsed again in the next process."""
    if found not in _LOADED:
        folder, contracts, parameters = found
        texts = ParsedTexts(temporary / PARSED_TEXTS)
        _LOADED[found] = load_models(folder, contracts, dict(parameters), parse=texts.parse)
        if temporary.is_dir():  # to read a home that nothing was done in yet makes no folder there
            texts.keep()
    return _LOADED[found]


@dataclass(frozen=True)
class Platform:
    """One home with its settings and the SQL models it runs; made once a process."""

    settings: Settings
    sql: Path

    @property
    def home(self) -> Home:
        return self.settings.paths

    @property
    def lake(self) -> Lake:
        return Lake(self.home.lake)

    @cached_property
    def contracts(self) -> tuple[TableContract, ...]:
        # Here and below: a fifth of a second that `recs status` does without.
        from recs_platform.stages import retrieval

        others = tuple(table for table in AS_OF_TABLES if table.name != CANDIDATES.name)
        return (*RAW_TABLES, retrieval.candidates_contract(), *others, *HISTORIES)

    @cached_property
    def models(self) -> Models:
        """Models of the package and of the home; a broken one of the home is left out and named in `broken`."""
        from recs_platform.stages.features import check_feature_model

        parameters = sql_parameters(self.settings)
        found = (self.sql / "models", self.contracts, tuple(parameters.items()))
        packaged = _load_models(found, self.home.temporary)
        return with_own_models(packaged, self.home.models, parameters, check=check_feature_model)

    def some_models(self, *names: str) -> Models:
        """These models of the package with what they read, in a fraction of the time that all of them take."""
        texts = ParsedTexts(self.home.temporary / PARSED_TEXTS)
        parameters = sql_parameters(self.settings)
        found = load_models(self.sql / "models", RAW_TABLES, parameters, names=names, parse=texts.parse)
        texts.keep()
        return found

    @cached_property
    def lineage(self) -> list[ColumnEdge]:
        """Column lineage of every model; inferred when first asked for."""
        return column_lineage(self.models)

    @cached_property
    def sources(self) -> "Sources":
        """Sources of the package and of the home; a broken one of the home is left out and named in `broken`."""
        return self.read_sources()

    def read_sources(self) -> "Sources":
        """The same, read again."""
        # A tenth of a second that a rollback does without.
        from recs_platform.stages.events import load_sources, source_fault

        return load_sources(self.sql / "sources", self.home.sources, source_fault)

    @cached_property
    def own_rules(self) -> "OwnRules":
        """Re-ranking rules of the home, and what is wrong with those left out."""
        from recs_platform.stages import reranking

        return reranking.load_own_rules(self.home.rules)

    @cached_property
    def feature_set(self) -> FeatureSet:
        from recs_platform.stages import features, retrieval

        return features.feature_set(self.models, retrieval.source_features())

    def on_threads(self, threads: int) -> "Platform":
        """The same home for work that takes so many threads; what was read is read."""
        view = replace(self, settings=self.settings.model_copy(update={"threads": threads}))
        vars(view).update({name: value for name, value in vars(self).items() if name not in vars(view)})
        return view

    def contract(self, name: str) -> TableContract:
        return next(table for table in self.contracts if table.name == name)

    @contextmanager
    def connection(self) -> Generator[duckdb.DuckDBPyConnection, None, None]:
        """A DuckDB connection with the settings' limits, closed at the end."""
        with lend(
            memory_limit_gb=self.settings.memory_limit_gb,
            threads=self.settings.threads,
            temporary=self.home.temporary,
        ) as con:
            yield con

    @contextmanager
    def model_run(
        self,
        as_of: datetime,
        known_at: datetime,
        *,
        scratch: bool = False,
        versions: Mapping[str, int] | None = None,
        kept: Mapping[str, Callable[[], Path]] | None = None,
    ) -> Generator[ModelRun, None, None]:
        """The models as of an instant; `scratch` computes upstream models instead of reading the lake's partition.

        Lake tables named in `versions` are read as they were then, and `kept` models from the files that they are in.
        """
        with self.connection() as con:
            yield ModelRun(
                con,
                self.lake,
                self.models,
                self.contracts,
                as_of=as_of,
                known_at=known_at,
                scratch=scratch,
                versions=versions,
                kept=kept,
            )
