"""Retries of transient errors; no other error is retried.

Nor is an ingestion: a second attempt would check only the files that the first one left. The landing sensor asks again.
"""

import errno
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

# A share that does not answer or a file that is held: a full disk or a missing right stays what it is.
TRANSIENT = {
    *(errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE),
    *(errno.ETIMEDOUT, errno.ECONNRESET, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH),
}
ON_TRANSIENT = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)


@contextmanager
def transient_only() -> Generator[None, None, None]:
    """Let the step's RetryPolicy see transient errors of the disk; any other fails the step for good."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in TRANSIENT:
            raise
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
