import errno

import duckdb
import pytest

from recs_platform.contracts.errors import RecsError
from recs_platform.stages.events.disk_errors import raise_disk_full


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EFBIG, "File too large"),
        duckdb.IOException('IO Error: Could not write file "x": No space left on device'),
    ],
)
def test_a_disk_that_takes_no_more_is_told_as_such(error):
    with pytest.raises(RecsError, match="could not write"):
        raise_disk_full(error)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), duckdb.InvalidInputException("bad row")])
def test_other_errors_pass(error):
    raise_disk_full(error)
