select
    line_number,
    case type when 'alias' then coalesce(present(previousid), anonymousid) else anonymousid end
        as anonymous_id,
    userid as user_id,
    call_instant(originaltimestamp, timestamp, sentat, receivedat) as valid_from,
from raw_records
where
    type = 'alias'
    or (type = 'identify' and person(anonymousid) <> person(userid))
