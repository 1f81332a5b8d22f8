with logins as (
    select
        line_number,
        client_id,
        user_id,
        coalesce(timestamp, event_timestamp, "gtm.start") as told,
        try_cast(told as decimal(24, 6)) as number,
        -- Until the year 5138 seconds stay below 1e11, and milliseconds below 1e14.
        number * case when number < 1e11 then 1000000 when number < 1e14 then 1000 else 1 end
            as number_us,
        -- DuckDB fails on the last instants that it can hold.
        case
            when abs(number_us) < 1e18 then make_timestamptz(number_us::bigint)::varchar
            else told
        end as valid_from,
    from raw_records
    where lower(trim(event)) in ('login', 'sign_up')
)

select
    line_number,
    client_id as anonymous_id,
    user_id,
    valid_from,
from logins
