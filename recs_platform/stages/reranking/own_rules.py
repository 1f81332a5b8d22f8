"""Rules of the home: Python files that the operator keeps, applied after the package's own in the order of names.

A file is tried on a small list before it is used. One that is wrong is left out and named with its line.
"""

import importlib.util
import re
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.rules.rule import Filter, Reorder, Rule

COMPLETE = "lists_are_complete"
_ITEMS = ("i1", "i2", "i3")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_CHECK = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class OwnRules:
    """Rules that may be used, and by file name what is wrong with the others."""

    rules: tuple[Rule, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict[str, str])


def load_own_rules(folder: Path) -> OwnRules:
    """Read every `<folder>/*.py` that defines `RULE`, a `Rule`; a name of the package's rules is taken."""
    rules, broken = list[Rule](), dict[str, str]()
    taken = {rule.name for rule in RULES} | {COMPLETE}
    checks = {rule.check_name for rule in filters_of(RULES)} | {COMPLETE}
    for path in sorted(folder.glob("*.py")):
        try:
            rule = _read(path, taken)
            _require_well_formed(rule, checks)
            _try(rule)
        except Exception as error:  # noqa: BLE001 - the code is the operator's: whatever it raises is reported, not raised
            broken[path.name] = _message(path, error)
            continue
        taken.add(rule.name)
        checks |= {rule.check_name} if isinstance(rule, Filter) else set()
        rules.append(rule)
    return OwnRules(tuple(rules), broken)


def apply_checked(rule: Rule, rows: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """What a rule leaves of the rows; one of the home is held to what a rule may do.

    Raises ContractError unless it gives rows of `rows`, none twice, and, where it is a reorder, all of them.
    """
    kept = rule.apply(rows, context)
    if rule in RULES:
        return kept
    keys = [column for column in (c.USER_ID, c.ITEM_ID) if column in rows.columns]
    _require_columns(rule, kept, rows)
    if kept.select(keys).is_duplicated().any() or kept.join(rows, on=keys, how="anti").height:
        raise ContractError(_strange_rows(rule))
    if isinstance(rule, Reorder) and kept.height != rows.height:
        left = rows.height - kept.height
        raise ContractError(f"rule {rule.name!r} is a Reorder and leaves out {left} rows; make it a Filter")
    return kept


def divided(rule: Filter, pairs: pl.DataFrame, context: RerankContext) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What a filter of the home leaves of distinct pairs, as `apply_checked`, and what it leaves out.

    One join tells both, and whether it gave what it may: of hundreds of millions of pairs each join takes minutes.
    """
    kept = rule.apply(pairs, context)
    _require_columns(rule, kept, pairs)
    left_out = pairs.join(kept, on=[c.USER_ID, c.ITEM_ID], how="anti")
    if kept.height + left_out.height != pairs.height:
        raise ContractError(_strange_rows(rule))
    return kept, left_out


def _require_columns(rule: Rule, kept: pl.DataFrame, rows: pl.DataFrame) -> None:
    if kept.columns != rows.columns or kept.schema != rows.schema:
        raise ContractError(f"rule {rule.name!r} returns columns {kept.columns}; it must return {rows.columns}")


def _strange_rows(rule: Rule) -> str:
    return f"rule {rule.name!r} returns rows twice, or rows that it was not given"


def _read(path: Path, taken: Collection[str]) -> Rule:
    spec = importlib.util.spec_from_file_location(f"recs_own_rule_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ContractError("it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rule: object = getattr(module, "RULE", None)
    if not isinstance(rule, Filter | Reorder):
        kinds = "RULE = Filter(name, function) where it leaves items out, or RULE = Reorder(name, function)"
        found = "its RULE is neither a Filter nor a Reorder" if rule is not None else "it defines no RULE"
        raise ContractError(f"{found}; write {kinds}")
    if rule.name in taken:
        raise ContractError(f"there is a rule {rule.name!r} already; give this one another name")
    return rule


def _require_well_formed(rule: Rule, checks: Collection[str]) -> None:
    """Raise ContractError where a field of a rule is not what it may be; `checks` are the names that are in use."""
    if not _NAME.fullmatch(rule.name):
        raise ContractError(f"its name is {rule.name!r}; write letters, digits, '_', '-' and '.', a letter first")
    if not isinstance(rule, Filter):
        return
    if rule.by not in ("item", "user_item"):
        raise ContractError(f'its `by` is {rule.by!r}; write "item" or "user_item"')
    if not _CHECK.fullmatch(rule.check_name) or rule.check_name in checks:
        raise ContractError(f"its check would be called {rule.check_name!r}, which is in use or no name; set `check`")


def _try(rule: Rule) -> None:
    """Apply it to nothing, and to two users' lists of three items. Raises what the rule raises, or ContractError."""
    users = pl.Series(c.USER_ID, ["u1", "u2"])
    ranked = pl.DataFrame(
        {
            c.USER_ID: ["u1"] * 3 + ["u2"] * 3,
            c.ITEM_ID: [*_ITEMS, *_ITEMS],
            c.SCORE: [3.0, 2.0, 1.0] * 2,
            c.SOURCES: [["popularity"]] * 6,
        }
    )
    items = pl.DataFrame({c.ITEM_ID: _ITEMS, c.CATEGORY: ["a", "b", None], c.IS_AVAILABLE: [True] * 3})
    context = RerankContext(
        items=items,
        consumed=ranked.select(c.USER_ID, c.ITEM_ID).clear(),
        users=users,
        fallback=pl.DataFrame({c.ITEM_ID: _ITEMS, c.SCORE: [3.0, 2.0, 1.0]}),
        k=3,
        max_per_category=3,
    )
    apply_checked(rule, ranked.clear(), context)
    kept = apply_checked(rule, ranked, context)
    if isinstance(rule, Filter):
        _require_row_by_row(rule, ranked, kept, context)


def _require_row_by_row(rule: Filter, ranked: pl.DataFrame, kept: pl.DataFrame, context: RerankContext) -> None:
    """Raise ContractError where what a filter says of a row depends on other rows, or needs a column it lacks."""
    columns = [c.ITEM_ID] if rule.by == "item" else [c.USER_ID, c.ITEM_ID]
    rows = ranked.select(columns).unique(maintain_order=True)
    alone = pl.concat([apply_checked(rule, row, context) for row in rows.iter_slices(1)])
    if not alone.equals(kept.select(columns).unique(maintain_order=True)):
        raise ContractError(
            f"rule {rule.name!r} is a Filter and judges a row by other rows; a Filter looks at one pair at a time, a "
            "Reorder at a user's list"
        )


def _message(path: Path, error: Exception) -> str:
    """The fault with the line of the file at which it arose, where there is one."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    at = f":{lines[-1]}" if lines else ""
    return f"{path}{at}: {type(error).__name__}: {error}" if at else f"{path}: {error}"
