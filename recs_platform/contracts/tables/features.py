"""Feature tables that Python writes, and what an as-of is made from. Those of SQL models are described by their yml."""

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, Column, TableContract, count, text

INPUTS = TableContract(
    "events.inputs",
    "One row a file whose rows count before the as_of, and one a user or file of whom something is left out",
    (
        AS_OF,
        text(c.CONTRACT_TABLE, "Table that the rows are in, or why they are left out", required=True),
        text(c.FILE_HASH, "The file, or what is left out", required=True),
        count(c.ROW_COUNT, "Rows of it that count, or are left out"),
    ),
    grain=(c.CONTRACT_TABLE, c.FILE_HASH),
    partition_by=(c.AS_OF,),
)

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
