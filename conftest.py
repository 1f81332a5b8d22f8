"""Tests and doctests know no home but those that they make, whoever starts them, and wherever.

Fixtures are in `recs_platform_tests/conftest.py`; this file lies above the package, whose modules are collected too.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule

# Nothing can be written there: a test that names no home of its own fails.
NO_HOME = f"{os.devnull}/home"


def pytest_configure() -> None:
    """Forget the settings of whoever runs the tests, before a module is imported: `definitions.py` opens a home."""
    kept = {"RECS_RENEW_GOLDEN"}
    for name in [name for name in os.environ if name.startswith("RECS_") and name not in kept]:
        del os.environ[name]
    os.environ["RECS_HOME"] = NO_HOME


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path,
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Doctests are looked for where there are any: elsewhere that is an import, and a walk through all it holds."""
    found = yield
    if file_path.suffix != ".py" or ">>>" in file_path.read_text("utf-8"):
        return found
    return [each for each in found if not isinstance(each, DoctestModule)]
