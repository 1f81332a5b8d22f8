select
    line_number,
    case type when 'alias' then coalesce(present(previousid), anonymousid) else anonymousid end
        as anonymous_id,
    userid as user_id,
    coalesce(
        right_instant(coalesce(bare(originaltimestamp), timestamp), sentat, receivedat)::varchar,
        bare(timestamp), bare(originaltimestamp), receivedat
    ) as valid_from,
from raw_records
where
    type = 'alias'
    or (type = 'identify' and person(anonymousid) <> person(userid))
