"""SQL models of one's own beside those of the package: each is added when it is right, else left out and named.

What a right model is, is described in `models` and `model_types`; nothing of the package can read one of these.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.model_types import check_model, make_empty_tables
from recs_platform.warehouse.models import Model, Models, add_model
from recs_platform.warehouse.parameters import DEFAULT_PARAMETERS, Parameter

if TYPE_CHECKING:
    import duckdb

SCHEMAS = ("staging", "features", "segments", "marts")
Check = Callable[[Models, Model], None]


def with_own_models(
    packaged: Models,
    folder: Path,
    parameters: Mapping[str, Parameter] = DEFAULT_PARAMETERS,
    *,
    check: Check | None = None,
) -> Models:
    """The models of the package, and after them those of `<folder>/<schema>/<table>.sql` that are right.

    One that is wrong, has the name of another, or reads one that is left out, is in `broken` with the fault. `check`:
    what else is asked of each, with all models so far; it raises ModelError.
    """
    if not folder.is_dir():
        return packaged
    import duckdb

    models, pending = packaged, _files(folder)
    faults = dict[str, str]()
    with duckdb.connect() as con:
        make_empty_tables(con, packaged, [*packaged.contracts, *(model.name for model in packaged)])
        is_growing = True
        # A model may read one that comes later by name: whoever fails is tried again while others succeed.
        while is_growing:
            is_growing = False
            for name, path in list(pending.items()):
                try:
                    grown = _added(con, models, folder, name, path, parameters)
                    if check is not None:
                        check(grown, grown.get(name))
                except (ModelError, OSError, UnicodeDecodeError) as error:
                    faults[name] = str(error)
                    continue
                make_empty_tables(con, grown, [name])
                models, is_growing = grown, True
                del pending[name]
    return models.without({name: faults[name] for name in pending})


def _files(folder: Path) -> dict[str, Path]:
    """Every model's file by its name; a yml alone stands for the SQL that it lacks."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in {".sql", ".yml"})
    return {f"{path.parent.name}.{path.stem}": path.with_suffix(".sql") for path in found}


def _added(
    con: "duckdb.DuckDBPyConnection",
    models: Models,
    folder: Path,
    name: str,
    path: Path,
    parameters: Mapping[str, Parameter],
) -> Models:
    if path.parent.parent != folder or path.parent.name not in SCHEMAS:
        raise ModelError(f"{path}: a model of one's own lies in {folder}/{'|'.join(SCHEMAS)}/<table>.sql")
    if not path.is_file():
        raise ModelError(f"{path} is missing; {path.with_suffix('.yml').name} describes it")
    if name in models or name in models.contracts:
        raise ModelError(f"{path}: the platform has a table {name} already; rename the model")
    grown = add_model(models, name, path, parameters)
    check_model(con, grown.get(name))
    return grown
