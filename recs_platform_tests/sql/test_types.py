"""The SQL of every model gives the types that its yml declares."""

from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.model_types import check_types
from recs_platform.warehouse.models import Models


def test_every_model_has_the_types_it_says(models: Models):
    check_types(connect(memory_limit_gb=1, threads=1), models, models)
