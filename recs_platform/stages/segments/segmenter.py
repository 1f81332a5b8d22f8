"""The fitted segmenter: all that turns user features into segment ids, as it is sealed.

Fitting it is the work of `clustering`; keeping ids from one as-of to the next that of `stability`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recs_platform.stages.segments.components import Components, Labels
from recs_platform.stages.segments.scaling import FittedMeasure, Matrix, filled, scale
from recs_platform.stages.segments.space import FeatureSpace

SEGMENTER = "segmenter"
SEGMENTER_FILE = "segmenter.json"
NO_SEGMENT, NO_SEGMENT_NAME = "none", "No behaviour yet"


class Cluster(BaseModel):
    """A cluster under its lasting number: how users are assigned to it, and its mean in the scaled features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    mean: tuple[float, ...]
    precision: tuple[float, ...]
    log_weight: float
    radius: float | None
    center: tuple[float, ...]

    @property
    def segment_id(self) -> str:
        return segment_id(self.number)


class Segmenter(BaseModel):
    """Measures, components and clusters; `last_number` is the greatest number that any as-of has used so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measures: tuple[FittedMeasure, ...]
    space: FeatureSpace
    clusters: tuple[Cluster, ...]
    last_number: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(measure.name for measure in self.measures)

    @property
    def components(self) -> Components:
        shape = (len(self.clusters), self.space.dimensions)
        return Components(
            np.array([cluster.mean for cluster in self.clusters]).reshape(shape),
            np.array([cluster.precision for cluster in self.clusters]).reshape(shape),
            np.array([cluster.log_weight for cluster in self.clusters], dtype=np.float64),
            np.array([np.inf if cluster.radius is None else cluster.radius for cluster in self.clusters]),
        )


@dataclass(frozen=True)
class Assigned:
    """Indexes in `Segmenter.clusters` of some users, and who of them is noise."""

    labels: Labels
    is_noise: NDArray[np.bool_]


def segment_id(number: int) -> str:
    """`b3` for 3."""
    return f"b{number}"


def assign_users(segmenter: Segmenter, values: Matrix) -> Assigned:
    """Cluster of each user: rows of `values`, whose columns are `segmenter.names`. Nothing is fitted."""
    points = segmenter.space.project(scale(values, segmenter.measures))
    labels = segmenter.components.assign(points)
    return Assigned(labels, segmenter.components.is_noise(points, labels))


def filled_values(segmenter: Segmenter, values: Matrix) -> Matrix:
    """The values in their own units, with the segmenter's fill where one is missing."""
    return filled(values, segmenter.measures)


def save_segmenter(folder: Path, segmenter: Segmenter) -> None:
    """Write it into an artifact that is being written."""
    (folder / SEGMENTER_FILE).write_text(segmenter.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_segmenter(folder: Path) -> Segmenter:
    """Read a sealed one; numbers come back bit by bit."""
    return Segmenter.model_validate_json((folder / SEGMENTER_FILE).read_text(encoding="utf-8"))
