select
    line_number,
    case type when 'alias' then coalesce(previousid, anonymousid) else anonymousid end
        as anonymous_id,
    userid as user_id,
    coalesce(timestamp, originaltimestamp, receivedat) as valid_from,
from raw_records
where
    type = 'alias'
    or (type = 'identify' and nullif(anonymousid, '') <> nullif(userid, ''))
