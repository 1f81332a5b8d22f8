"""Arrays of a bundle read from their files; what is damaged is named. Which files a bundle has, its manifest says."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.whole_files import OF_AN_ARTIFACT
from recs_platform.stages.releases.bundle.writing import file_facts

CURE = f"restore it from a copy of the home, {OF_AN_ARTIFACT}"


def load_array(file: Path, *, is_mapped: bool = False) -> NDArray[Any]:
    """The array of a file, read or mapped. Raises ContractError for one whose head is damaged, or that is gone."""
    try:
        # Reading an empty mapping fails: such a file holds its head alone.
        array: NDArray[Any] = np.load(file, mmap_mode="r" if is_mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise ContractError(f"{file} is damaged: it is gone; {CURE}") from None
    except OSError:
        raise
    except Exception as error:  # whatever numpy and Python's own parser stumble over
        raise ContractError(f"{file} is damaged: its head is none of an array; {CURE}") from error
    return np.asarray(array)


def load_as_sealed(file: Path, facts: dict[str, Any]) -> NDArray[Any]:
    """The array of a file, which is read twice. Raises ContractError where its bytes are not those that were sealed."""
    array = load_array(file)
    if file_facts(file) != facts:
        raise ContractError(f"{file} is damaged: its bytes are not those that were sealed; {CURE}")
    return array
