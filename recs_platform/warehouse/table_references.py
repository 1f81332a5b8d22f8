"""Tables as a yml names them, `ref('stg_events')` and `source('raw', 'events')`, made their full names.

What a yml declares is checked against these tables in `declarations`.
"""

from collections.abc import Collection
from pathlib import Path

from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.warehouse.data_test_files import DataTest, table_reference
from recs_platform.warehouse.model_files import ModelFile


def with_full_names(path: Path, file: ModelFile, models: Collection[str], contracts: Collection[str]) -> ModelFile:
    """The file with full names in its given rows and relationships. Raises ModelError naming the file and the test."""
    yml = path.with_suffix(".yml")

    def name(text: str, where: str) -> str:
        try:
            return _full_name(text, models, contracts)
        except ValueError as error:
            raise ModelError(f"{yml}: {where}: {error}") from error

    def test(declared: DataTest) -> DataTest:
        if declared.kind != "relationships":
            return declared
        to = name(str(declared.arguments["to"]), "data test relationships")
        return declared.model_copy(update={"arguments": {**declared.arguments, "to": to}})

    columns = (
        column.model_copy(update={"data_tests": tuple(map(test, column.data_tests))}) for column in file.model.columns
    )
    model = file.model.model_copy(
        update={"columns": tuple(columns), "data_tests": tuple(map(test, file.model.data_tests))}
    )
    unit_tests = tuple(
        unit.model_copy(
            update={
                "given": tuple(
                    given.model_copy(update={"input": name(given.input, f"unit test {unit.name!r}")})
                    for given in unit.given
                )
            }
        )
        for unit in file.unit_tests
    )
    return file.model_copy(update={"models": (model,), "unit_tests": unit_tests})


def _full_name(text: str, models: Collection[str], contracts: Collection[str]) -> str:
    schema, table = table_reference(text)
    if schema is not None:
        full = f"{schema}.{table}"
        if full not in contracts:
            raise ValueError(f"no contract table {full}{_hint(full, models, contracts)}")
        return full
    found = [name for name in models if name.split(".")[1] == table]
    if not found:
        raise ValueError(f"no model {table}{_hint(table, models, contracts)}")
    if len(found) > 1:
        raise ValueError(f"{table} may be any of {sorted(found)}; give one of them another name")
    return found[0]


def _hint(name: str, models: Collection[str], contracts: Collection[str]) -> str:
    """The same name written the other way, else the nearest one."""
    table = name.rsplit(".", maxsplit=1)[-1]
    sources = [contract.split(".") for contract in contracts if contract.split(".")[1] == table]
    if "." in name and name in models:
        return f"; it is a model: write ref('{table}')"
    if "." not in name and sources:
        return f"; it is a contract table: write source('{sources[0][0]}', '{table}')"
    return did_you_mean(name, contracts if "." in name else [model.split(".")[1] for model in models])
