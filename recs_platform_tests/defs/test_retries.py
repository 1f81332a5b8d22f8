"""What may go well a moment later is tried again; what cannot is not, and says why at once."""

import errno

import dagster as dg
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.defs.retries import transient_only


def tried(error: Exception) -> tuple[int, bool]:
    """How often a step that raises it once is run, and whether the run succeeds in the end."""
    attempts: list[int] = []

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=2))
    def step() -> None:
        attempts.append(1)
        with transient_only():
            if len(attempts) == 1:
                raise error

    @dg.job
    def job() -> None:
        step()

    result = job.execute_in_process(raise_on_error=False)
    return len(attempts), result.success


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY])
def test_an_error_that_may_pass_is_tried_again(number: int) -> None:
    assert tried(OSError(number, "a share that does not answer")) == (2, True)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "disk full"),
        PermissionError(errno.EACCES, "no"),
        ContractError("a bad table"),
        ValueError(),
    ],
    ids=["disk full", "no right", "contract", "bug"],
)
def test_an_error_that_stays_is_not(error: Exception) -> None:
    assert tried(error) == (1, False)
