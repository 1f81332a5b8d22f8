-- Every row that was read went to exactly one place.
-- It was taken in, refused with a reason, or already there.

select
    file_hash,
    contract_table,
    rows_read,
    rows_accepted,
    rows_quarantined,
    rows_duplicate,
from raw.ingestions
where rows_read <> rows_accepted + rows_quarantined + rows_duplicate
