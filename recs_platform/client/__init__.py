"""A client of the HTTP interface for applications: `Client`, and `AsyncClient` with the same methods to await.

It needs nothing of the platform but the shapes of its documents.

>>> from recs_platform.client import Client
>>> client = Client("http://127.0.0.1:8080", key=None)
>>> client.close()
"""

from recs_platform.client.calls import Call
from recs_platform.client.clients import AsyncClient, Client
from recs_platform.client.errors import Problem, Unreachable
from recs_platform.contracts.http_documents import (
    Event,
    EventsTaken,
    Explanation,
    Move,
    PopularItems,
    Recommendations,
    RecommendedItem,
    ReleaseInForce,
    SessionShare,
    SimilarItems,
)

__all__ = [
    "AsyncClient",
    "Call",
    "Client",
    "Event",
    "EventsTaken",
    "Explanation",
    "Move",
    "PopularItems",
    "Problem",
    "Recommendations",
    "RecommendedItem",
    "ReleaseInForce",
    "SessionShare",
    "SimilarItems",
    "Unreachable",
]
