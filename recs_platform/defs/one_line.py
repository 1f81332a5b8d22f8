"""What the platform raises on purpose ends a step with that sentence; by itself Dagster says only which step failed.

Which errors are tried again is in `retries`; what a run failed of is read back in `running`.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from recs_platform.contracts.errors import RecsError

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@contextmanager
def sentences() -> Generator[None, None, None]:
    """A RecsError is the sentence by which the step fails, and is not tried again."""
    try:
        yield
    except RecsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def fails_in_one_line(body: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """The body of an op, of which a RecsError is told as `sentences` does."""

    @wraps(body)
    def told(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with sentences():
            return body(*args, **kwargs)

    return told
