"""Sources asked for the lists of some users, as the config says of them. Merging the lists is not done here."""

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.plans import leave_out
from recs_platform.stages.retrieval.sources.base import SourceLists


def source_lists(fit: RetrievalFit, targets: NDArray[np.int32], n: int) -> dict[str, SourceLists]:
    """At most `n` items of each enabled source for each target, less what the plan of its segment leaves out."""
    sources = fit.config.configured_sources()
    lists = {source.name: source.retrieve(fit, targets, n) for source in sources}
    return leave_out(fit.problem, fit.config, lists)
