"""Feature tables that Python writes. Those of SQL models are described by their yml."""

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, Column, TableContract, count

ITEM_VECTORS = TableContract(
    "features.item_vectors",
    "One row an item with a text, tag, category or creator: what it is about, as a vector; near vectors, like items",
    (
        AS_OF,
        ITEM,
        Column(
            c.VECTOR,
            "FLOAT[]",
            "TF-IDF of the item's terms in the main directions of all items' (latent semantic analysis), of length 1: "
            "inner products are cosines. Directions are those of this as_of only",
            required=True,
            unit="cosine",
        ),
        count(c.TERM_COUNT, "Different terms of the item that the vector stands for", unit="terms"),
    ),
    grain=(c.ITEM_ID,),
    partition_by=(c.AS_OF,),
)
