"""What an operator may choose about an index of item vectors. What an index then measured is in its report."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["exact", "ivf", "hnsw"]


class IndexConfig(BaseModel):
    """Exact where that is affordable, approximate beyond; `auto` is exact up to `exact_max_items`, then inverted lists.

    Inverted lists (`ivf`): Sivic & Zisserman 2003. Navigable small worlds (`hnsw`): Malkov & Yashunin 2016.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Annotated[Literal["auto", "exact", "ivf", "hnsw"], Field(description="how items are searched")] = "auto"
    exact_max_items: Annotated[
        int, Field(ge=1, le=100_000_000, description="`auto` is exact up to so many; a query then takes milliseconds")
    ] = 100_000
    exact_max_share: Annotated[
        float,
        Field(ge=0, le=1, description="of the indexed items eligible: so few are gathered and searched exactly"),
    ] = 0.3
    target_recall: Annotated[
        float, Field(ge=0.5, le=1, description="of the exact best `target_n`: effort of a search is raised until there")
    ] = 0.96
    target_n: Annotated[int, Field(ge=1, le=10_000, description="length of the lists that effort is chosen for")] = 200
    lists: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="inverted lists; the root of the number of items where absent"),
    ] = None
    links: Annotated[int, Field(ge=4, le=256, description="neighbours of an item in the small world")] = 32
    link_effort: Annotated[int, Field(ge=8, le=4096, description="items weighed for each item linked")] = 80
    rebuild_share: Annotated[
        float, Field(ge=0, le=1, description="of the items changed since the last build; beyond, a refresh builds anew")
    ] = 0.1
