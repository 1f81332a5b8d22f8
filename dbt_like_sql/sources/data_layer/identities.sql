with logins as (
    select
        line_number,
        present(client_id) as client_id,
        user_id,
        coalesce(bare(timestamp), bare(event_timestamp), bare("gtm.start")) as told,
        -- A number counts seconds, milliseconds or microseconds, by its size.
        coalesce(epoch_instant(told, 'any')::varchar, told) as valid_from,
    from raw_records
    where lower(trim(event)) in ('login', 'sign_up')
)

select
    line_number,
    client_id as anonymous_id,
    user_id,
    valid_from,
from logins
