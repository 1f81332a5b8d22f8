# ruff: noqa: ARG001  two handlers stand for what the front answers: their parameters are the document
"""The Litestar application: endpoints that are asked seldom, the OpenAPI document of all, and a page that shows it.

Lists and events stand here for the document alone: the front answers them before a request comes here.
"""
# pyright: reportUnknownMemberType=false
# Litestar evaluates annotations of handlers when they are registered: their types are imported for real.

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from litestar import Litestar, MediaType, Request, Response, delete, get, post
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from recs_platform import __version__
from recs_platform.contracts.http_documents import (
    Event,
    EventsTaken,
    Id,
    PopularItems,
    Recommendations,
    ReleaseInForce,
    SimilarItems,
)
from recs_platform.serving.caching import Caching
from recs_platform.serving.catalogue_answers import popular, release_in_force, similar
from recs_platform.serving.docs_page import docs_page
from recs_platform.serving.openapi import described
from recs_platform.serving.parameters import K_MAX, read_k, read_query, whole_id
from recs_platform.serving.problems import Problem
from recs_platform.serving.state import Serving

K = Annotated[int, QueryParameter(ge=1, le=K_MAX, description="How many items.")]
AnyRequest = Request[Any, Any, Any]
# Where Litestar answers with pages of its own: whatever one word follows the first slash.
_PAGES_OF_LITESTAR = ("/", "/{path}")
_CODES = {400: "invalid_parameter", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class _Described(JsonRenderPlugin):
    """The document as it is served."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, described(openapi_schema))


def build_application(
    serving: Serving,
    state_of: Callable[[], dict[str, Any]],
    metrics_text: Callable[[], str],
    ask_to_forget: Callable[[str], None],
    caching: Caching,
) -> Litestar:
    """The application. `state_of` says whether it is ready, `metrics_text` what Prometheus is told.

    `ask_to_forget` stores that a user is to be forgotten everywhere. `caching`: how long answers of no user are good.
    """
    return Litestar(
        [recommendations, events, *_answers(serving, caching, ask_to_forget), *_states(state_of, metrics_text), docs],
        openapi_config=OpenAPIConfig(
            title="recs", version="1", path="/", render_plugins=[_Described(path="/openapi.json")]
        ),
        before_request=_refuse_other_queries,
        exception_handlers={Problem: _refuse, HTTPException: _refuse_http},
        logging_config=None,
    )


@get("/v1/users/{user_id:str}/recommendations", summary="A page of a user's list as it is now")
async def recommendations(
    user_id: FromPath[Id],
    k: K = 10,
    cursor: FromQuery[str | None] = None,
    surface: FromQuery[str | None] = None,
    session_id: FromQuery[str | None] = None,
    device: FromQuery[str | None] = None,
    country: FromQuery[str | None] = None,
    region: FromQuery[str | None] = None,
    category: FromQuery[str | None] = None,
    exclude: Annotated[str | None, QueryParameter(description="Item ids, separated by commas.")] = None,
    explain: Annotated[bool, QueryParameter(description="Say of each item why it is at its place.")] = False,
) -> Recommendations:
    """For the document: the front answers. What comes here is spelled another way, such as with a slash at its end."""
    raise Problem("not_found", "write the address as the document does")


@post("/v1/events", status_code=202, summary="Take in one event or an array; 202 once they are durable")
async def events(data: JSONBody[list[Event]]) -> EventsTaken:
    """For the document: the front answers. What comes here is spelled another way, such as with a slash at its end."""
    raise Problem("not_found", "write the address as the document does")


@get("/docs", media_type=MediaType.HTML, include_in_schema=False)
async def docs(request: AnyRequest) -> str:
    """The document as a page."""
    return docs_page(described(request.app.openapi_schema.to_schema()))


def _answers(serving: Serving, caching: Caching, ask_to_forget: Callable[[str], None]) -> list[HTTPRouteHandler]:
    @get("/v1/items/{item_id:str}/similar", summary="Items chosen by the same users")
    async def similar_items(request: AnyRequest, item_id: FromPath[str], k: K = 10) -> Response[SimilarItems]:
        return caching.answer(request, serving, lambda: similar(serving, whole_id(item_id), k))

    @get("/v1/popular", summary="Popular items of a context")
    async def popular_items(
        request: AnyRequest,
        k: K = 10,
        device: FromQuery[str | None] = None,
        country: FromQuery[str | None] = None,
        region: FromQuery[str | None] = None,
    ) -> Response[PopularItems]:
        return caching.answer(
            request, serving, lambda: popular(serving, k, device=device, country=country, region=region)
        )

    @get("/v1/releases/current", summary="The release that answers now")
    async def current_release(request: AnyRequest) -> Response[ReleaseInForce]:
        return caching.answer(request, serving, lambda: release_in_force(serving))

    @delete("/v1/users/{user_id:str}", status_code=202, summary="Forget a user: at once here, then everywhere")
    async def forget_user(user_id: FromPath[str]) -> Response[None]:
        user = whole_id(user_id)
        try:
            await asyncio.to_thread(ask_to_forget, user)
        except OSError as error:
            said = f"the request cannot be stored, nothing is forgotten: {error.strerror or error}"
            raise Problem("storage_unavailable", said, retry_after=5) from None
        serving.forget(user)
        if serving.shared is not None:
            await serving.shared.forget()
        return Response(None, status_code=202, media_type=MediaType.TEXT)

    return [similar_items, popular_items, current_release, forget_user]


def _states(state_of: Callable[[], dict[str, Any]], metrics_text: Callable[[], str]) -> list[HTTPRouteHandler]:
    @get("/healthz", summary="Whether the process answers")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @get("/readyz", summary="Whether lists can be answered and events stored")
    async def readyz() -> Response[dict[str, Any]]:
        state = state_of()
        return Response(state, status_code=200 if state["is_ready"] else 503)

    @get("/metrics", media_type=MediaType.TEXT, summary="Counts for Prometheus")
    async def metrics() -> str:
        return metrics_text()

    return [healthz, readyz, metrics]


async def _refuse_other_queries(request: AnyRequest) -> None:
    """Litestar ignores what no handler names and takes the last of two; the front does neither, nor is it done here."""
    if request.scope["path_template"] in _PAGES_OF_LITESTAR:
        raise Problem("not_found", "no such address")
    names = set(request.route_handler.parsed_fn_signature.parameters) - set(request.path_params) - {"request"}
    # Litestar would refuse another k too, without a word on what it may be.
    read_k(read_query(request.scope["query_string"], tuple(sorted(names))), 1)


def _refuse(request: AnyRequest, problem: Problem) -> Response[bytes]:
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    media_type = headers.pop("content-type")
    body = problem.document(request.scope["state"]["request_id"])
    return Response(body, status_code=problem.status, headers=headers, media_type=media_type)


def _refuse_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    if isinstance(error, InternalServerException):
        raise error
    code = _CODES.get(error.status_code, "bad_request")
    detail = {"not_found": "no such address", "method_not_allowed": "no such method here"}.get(code, error.detail)
    refused = _refuse(request, Problem(code, detail[:300]))
    if error.headers and "allow" in error.headers:
        refused.headers["allow"] = error.headers["allow"]
    return refused
