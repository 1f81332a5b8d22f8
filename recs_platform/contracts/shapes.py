"""What a setting shapes: a mark on each field of the settings, which the keys of artifacts follow."""

from dataclasses import dataclass
from typing import Literal

First = Literal["sql", "retrieval_config", "retrieval", "windows", "ranker", "build", "nothing"]


@dataclass(frozen=True)
class Shapes:
    """The first thing whose content a setting decides; whatever is made from that thing changes with it.

    `sql`: models that name it, by their hashes. `retrieval_config`: the config of retrieval, which is part of the keys.
    `retrieval`: embeddings and indexes. `windows`: labelled windows. `ranker`: rankers. `build`: lists, reports and
    the published file alone. `nothing`: how, where or when work is done, or what is ingested, which the data tell.
    """

    first: First
