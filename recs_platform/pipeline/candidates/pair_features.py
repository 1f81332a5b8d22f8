"""Features of candidate pairs: their SQL models, run on one block of candidates after another."""
# ruff: noqa: S608  names come from models and contracts, values are instant literals

import re
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import CANDIDATES
from recs_platform.pipeline.candidates.pair_rows import PairRows
from recs_platform.stages import retrieval
from recs_platform.stages.features import pair_models
from recs_platform.warehouse.clauses import instant_literal, quoted, relation, typed_columns
from recs_platform.warehouse.models import Model, Models
from recs_platform.warehouse.runner import ModelRun

_USERS, _ITEMS = "user_code", "item_code"
_TYPE_OF = {c.USER_ID: _USERS} | dict.fromkeys((c.ITEM_ID, c.NEIGHBOUR_ID, c.NEXT_ITEM_ID, c.BEFORE_ITEM_ID), _ITEMS)
_CODES = {_USERS: "codes.users", _ITEMS: "codes.items"}
_ID, _CODE, _KEY = "id", "code", "key"


class PairFeatures:
    """The models that read candidates, with all that they read beside them held in the connection of `run`.

    There, users and items are enumerations in the order of the problem's codes: texts to SQL, integers to its joins.
    Where only candidates of `targets` will be asked for, of other users nothing is held.
    """

    def __init__(
        self, run: ModelRun, models: Models, problem: retrieval.RetrievalProblem, targets: Sequence[str] | None = None
    ) -> None:
        self.models = pair_models(models)
        self._run, self._problem = run, problem
        self._computed = _computed(models, self.models)
        self._read_again = {name for model in self._computed for name in model.upstreams}
        self._columns = _columns_read(models, self._computed)
        for name, ids in ((_USERS, problem.user_series), (_ITEMS, problem.item_series)):
            run.enumerate(name, ids)
            coded = pl.DataFrame({_ID: ids, _CODE: np.arange(len(ids), dtype=np.int32)})
            run.stand_in(_CODES[name], f"select cast({_ID} as {name}) as {_ID}, {_CODE} from given", given=coded)
        asked = pl.DataFrame(
            {c.USER_ID: problem.user_ids if targets is None else list(targets)}, {c.USER_ID: pl.String}
        )
        # All of them first: one may be computed from another, whole.
        for name in [run.require(name) for name in _read_beside(self._computed)]:
            run.stand_in(name, _coded_sql(name, models.types(name)), asked=asked)

    def of(self, block: retrieval.MergedLists) -> dict[str, PairRows]:
        """Columns of each model, less its keys, for the block's candidates.

        Raises ContractError where two rows of a model are of one candidate.
        """
        self._run.stand_in(CANDIDATES.name, self._candidates_sql(), block_rows=self._block_rows(block))
        found: dict[str, PairRows] = {}
        for model in self._computed:
            rows_sql = f"({self._run.bound(model.name)}\n)"
            if model.name in self._read_again:
                self._run.stand_in(model.name, rows_sql)
                rows_sql = relation(model.name)
            if model in self.models:
                rows = self._run.query(self._keyed_sql(model, rows_sql))
                found[model.name] = _found(model, rows, self._keys(model, block))
        return found

    def _block_rows(self, block: retrieval.MergedLists) -> pl.DataFrame:
        codes = pl.DataFrame({_USERS: block.users, _ITEMS: block.items})
        if not self._columns:
            return codes
        return codes.hstack(retrieval.candidate_rows(self._problem, block).select(self._columns))

    def _candidates_sql(self) -> str:
        selected = [f"users.{_ID} as {c.USER_ID}", f"items.{_ID} as {c.ITEM_ID}", *map(quoted, self._columns)]
        return (
            f"select {instant_literal(self._run.as_of)} as {c.AS_OF}, {', '.join(selected)} from block_rows"
            f" inner join {_CODES[_USERS]} as users on users.{_CODE} = block_rows.{_USERS}"
            f" inner join {_CODES[_ITEMS]} as items on items.{_CODE} = block_rows.{_ITEMS}"
        )

    def _keys(self, model: Model, block: retrieval.MergedLists) -> NDArray[np.int64]:
        users = block.users.astype(np.int64) * self._problem.n_items
        return users + block.items if c.ITEM_ID in model.grain else users

    def _keyed_sql(self, model: Model, rows_sql: str) -> str:
        types = {column.name: column.dtype for column in model.columns if column.name not in (c.AS_OF, *model.grain)}
        item = f" + enum_code({c.ITEM_ID})" if c.ITEM_ID in model.grain else ""
        key = f"enum_code({c.USER_ID})::bigint * {self._problem.n_items}{item}"
        return f"select {key} as {_KEY}, {', '.join(typed_columns(types, set(types)))} from {rows_sql}"


def _computed(models: Models, stored: tuple[Model, ...]) -> list[Model]:
    """The stored models, with what lies between candidates and them, in dependency order."""
    names = {model.name for model in stored} | {name for model in stored for name in models.upstreams(model.name)}
    return [model for model in models.all() if model.name in names and CANDIDATES.name in models.upstreams(model.name)]


def _read_beside(computed: list[Model]) -> list[str]:
    """Tables that do not depend on candidates."""
    own = {CANDIDATES.name, *(model.name for model in computed)}
    return list(dict.fromkeys(name for model in computed for name in model.upstreams if name not in own))


def _columns_read(models: Models, computed: list[Model]) -> list[str]:
    """Columns of candidates, beside the keys, whose name the SQL has anywhere."""
    words = {word for model in computed for word in re.findall(r"\w+", model.sql)}
    return [
        name for name in models.types(CANDIDATES.name) if name in words and name not in (c.AS_OF, *CANDIDATES.grain)
    ]


def _coded_sql(name: str, types: dict[str, str]) -> str:
    """The table with enumerations for ids, those of one user together, so that a block's users are found fast."""
    columns = [
        f"try_cast({quoted(column)} as {_TYPE_OF[column]}) as {quoted(column)}"
        if column in _TYPE_OF
        else quoted(column)
        for column in types
    ]
    # Ordered before the cast: sorting by an enumeration reads all its texts first.
    of_asked = f" semi join asked using ({c.USER_ID}) order by {c.USER_ID}" if c.USER_ID in types else ""
    return f"select {', '.join(columns)} from (from {relation(name)}{of_asked})"


def _found(model: Model, rows: pl.DataFrame, keys: NDArray[np.int64]) -> PairRows:
    try:
        return PairRows.find(rows.drop(_KEY), rows[_KEY].to_numpy(), keys)
    except ValueError as error:
        raise ContractError(
            f"{model.path}: rows of a block of candidates repeat their grain {list(model.grain)}: {error}"
        ) from error
