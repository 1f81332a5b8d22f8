-- The features of one instant as one would write them by hand for one data set: no persons to resolve, no consent, no
-- flags, no known-at, doubles summed as they come, every step kept as long as it is needed. The floor that the models
-- are held against. Reads `log` (contract columns of events) and `catalogue` (of items); variable `as_of`.

create temp table events as
select
    user_id, item_id, event_type, event_date, session_id, device, country, region, position, value,
    dwell_seconds, scroll_fraction, event_id,
    epoch_us(occurred_at) as occurred_us,
    (epoch_us(getvariable('as_of')) - epoch_us(occurred_at)) / 86400000000.0 as age,
    event_type <> 'impression' as is_interaction,
    event_type in ('purchase', 'subscribe') as is_conversion,
    case event_type
        when 'impression' then 0 when 'dismiss' then 0 when 'scroll' then 0.5 when 'like' then 3 when 'share' then 3
        when 'comment' then 3 when 'bookmark' then 3 when 'cart_add' then 3 when 'subscribe' then 3
        when 'follow' then 2 when 'download' then 2 when 'purchase' then 5
        when 'rating' then case when value < 3 then 0 when value < 5 then value / 5 else 1 end
        else 1
    end::double as weight
from log
where occurred_at < getvariable('as_of');

create temp table limits as
select
    quantile_disc(dwell_seconds, 0.01) as dwell_low, quantile_disc(dwell_seconds, 0.99) as dwell_high,
    quantile_disc(scroll_fraction, 0.01) as scroll_low, quantile_disc(scroll_fraction, 0.99) as scroll_high
from events;

create temp table pairs as
select
    user_id, item_id,
    count(*) filter (not is_interaction) as impressions,
    count(*) filter (is_interaction) as interactions,
    least(
        greatest(count(*) filter (event_type = 'click'), count(*) filter (event_type = 'view')),
        count(*) filter (not is_interaction)
    ) as answered,
    count(*) filter (is_conversion) as conversions,
    least(min(position) filter (not is_interaction), 50) as first_position,
    max(occurred_us) filter (not is_interaction) as last_impression_us,
    max(occurred_us) filter (is_interaction) as last_us,
    sum(weight) as weight,
    sum(weight * pow(0.5, age / 7)) as weight_7d
from events
group by all;

create temp table item_codes as
select item_id, row_number() over () as code from (select distinct item_id from pairs);

-- Sessions and visits

create temp table unnamed as
select
    event_id, user_id, occurred_us,
    max(start_us) over (partition by user_id order by occurred_us, event_id) as gap_us
from (
    select
        event_id, user_id, occurred_us,
        case
            when occurred_us - coalesce(lag(occurred_us) over (partition by user_id order by occurred_us, event_id), 0)
                > 30 * 60000000
                then occurred_us
        end as start_us
    from events where session_id is null
);

create temp table in_session as
select user_id, item_id, occurred_us, event_id, is_interaction, session_id, null::bigint as gap_us
from events where session_id is not null
union all
select events.user_id, item_id, events.occurred_us, event_id, is_interaction, null, gap_us
from events inner join unnamed using (event_id);

create temp table sessions as
select
    user_id, session_id, gap_us, count(*) as n, (max(occurred_us) - min(occurred_us)) / 1000000.0 as seconds
from in_session
group by all;

create temp table visits as
select user_id, code, session_id, gap_us, row_number() over mine as place, count(*) over (partition by user_id) as places
from (
    select
        user_id, code, session_id, gap_us, occurred_us, event_id,
        lag(code) over (partition by user_id order by occurred_us, event_id) as before
    from in_session inner join item_codes using (item_id)
    where is_interaction
)
where before is distinct from code
window mine as (partition by user_id order by occurred_us, event_id);

drop table in_session;
drop table unnamed;

copy (
    with steps as (
        select
            code,
            lead(code, 1) over mine as next_1, lead(code, 2) over mine as next_2, lead(code, 3) over mine as next_3
        from visits where place > places - 200
        window mine as (partition by user_id order by place)
    ),

    counted as (
        select code, next_code, count(*) as pair_count, sum(weight) as weight
        from (
            select code, next_1 as next_code, 1.0 as weight from steps
            union all select code, next_2, 0.5 from steps
            union all select code, next_3, 0.25 from steps
        )
        where next_code is not null and next_code <> code
        group by all
    )

    select
        here.item_id, there.item_id as next_item_id, pair_count, weight, probability, rank
    from (
        select
            *, weight / sum(weight) over (partition by code) as probability,
            row_number() over (partition by code order by weight desc, next_code) as rank
        from counted
    ) as ranked
    inner join item_codes as here on here.code = ranked.code
    inner join item_codes as there on there.code = ranked.next_code
    where rank <= 50
) to 'item_transitions.parquet';

copy (
    with steps as (
        select
            code, lead(code, 1) over mine as next_1, lead(code, 2) over mine as next_2
        from visits
        window mine as (partition by user_id, session_id, gap_us order by place)
    ),

    counted as (
        select length, before, code, next_code, count(*) as occurrences
        from (
            select 2 as length, null as before, code, next_1 as next_code from steps where next_1 is not null
            union all select 3, code, next_1, next_2 from steps where next_2 is not null
        )
        group by all
    )

    select
        length, before_item.item_id as before_item_id, here.item_id, there.item_id as next_item_id, occurrences,
        probability, rank
    from (
        select
            *, occurrences / sum(occurrences) over (partition by length, before, code) as probability,
            row_number() over (partition by length, before, code order by occurrences desc, next_code) as rank
        from counted
    ) as ranked
    left join item_codes as before_item on before_item.code = ranked.before
    inner join item_codes as here on here.code = ranked.code
    inner join item_codes as there on there.code = ranked.next_code
    where occurrences >= 2 and rank <= 20
) to 'session_ngrams.parquet';

drop table visits;

-- Affinities

create temp table history as
select
    pairs.user_id, pairs.item_id, pairs.last_us, category, creator, language, tags, price,
    pairs.weight * pow(0.5, (max(pairs.last_us) over (partition by pairs.user_id) - pairs.last_us) / (28 * 86400000000.0))
        as weight
from pairs left join catalogue using (item_id)
where interactions > 0;

create temp table affinities as
with long as (
    select user_id, 'category' as dimension, category as value, weight, last_us from history where category is not null
    union all
    select user_id, 'creator', creator, weight, last_us from history where creator is not null
    union all
    select user_id, 'language', language, weight, last_us from history where language is not null
    union all
    select user_id, 'tag', unnest(list_distinct(tags)), weight, last_us from history where weight > 0
),

totals as (
    select
        user_id,
        sum(weight) filter (category is not null) as category, sum(weight) filter (creator is not null) as creator,
        sum(weight) filter (language is not null) as language, sum(weight) filter (len(tags) > 0) as tag
    from history group by all
),

summed as (
    select
        user_id, dimension, value, sum(weight) as weight, count(*) as item_count, max(last_us) as last_us
    from long group by all
)

select
    summed.*,
    weight / nullif(
        case dimension when 'category' then category when 'creator' then creator when 'language' then language else tag end,
        0
    ) as share,
    row_number() over (partition by user_id, dimension order by weight desc, value) as rank
from summed inner join totals using (user_id);

copy affinities to 'user_affinities.parquet';

-- Users

create temp table user_totals as
select
    user_id,
    max(occurred_us) as last_us, min(occurred_us) as first_us, max(occurred_us) filter (is_interaction) as last_interaction_us,
    count(*) as event_count, count(*) filter (is_interaction) as interaction_count,
    count(*) filter (is_interaction and age <= 7) as interaction_count_7d,
    count(*) filter (is_interaction and age <= 14) as interaction_count_14d,
    count(*) filter (is_interaction and age <= 28) as interaction_count_28d,
    count(*) filter (is_conversion) as conversion_count,
    coalesce(sum(value) filter (is_conversion), 0) as monetary_value,
    count(distinct event_date) as active_days,
    count(distinct event_date) filter (getvariable('as_of')::date - event_date <= 28) as active_days_28d,
    max(event_date) - min(event_date) as span_days,
    sum(weight * pow(0.5, age / 14)) as engagement,
    avg(least(greatest(dwell_seconds, dwell_low), dwell_high)) filter (dwell_seconds is not null) as dwell,
    avg(least(greatest(scroll_fraction, scroll_low), scroll_high)) filter (scroll_fraction is not null) as scroll,
    avg(value) filter (event_type = 'rating') as rating_mean,
    case when count(value) filter (event_type = 'rating') > 1
        then stddev_pop(value) filter (event_type = 'rating') end as rating_stddev,
    count(value) filter (event_type = 'rating') as rating_count,
    count(*) filter (device in ('mobile', 'phone', 'tablet')) / nullif(count(device), 0) as mobile_share,
    avg((occurred_us // 3600000000 % 24 >= 22 or occurred_us // 3600000000 % 24 < 6)::int) as night_share,
    avg((isodow(event_date) >= 6)::int) as weekend_share,
    avg(sin(2 * pi() * (occurred_us // 3600000000 % 24) / 24)) as hour_sin,
    avg(cos(2 * pi() * (occurred_us // 3600000000 % 24) / 24)) as hour_cos,
    avg(sin(2 * pi() * (isodow(event_date) - 1) / 7)) as weekday_sin,
    avg(cos(2 * pi() * (isodow(event_date) - 1) / 7)) as weekday_cos,
    count(region) as region_events
from events cross join limits
group by user_id;

create temp table places as
select user_id, device, country, region, count(*) as n from events group by all;

create temp table item_ranks as
select item_id, percent_rank() over (order by count(*)) as popularity_rank
from pairs where interactions > 0 group by item_id;

create temp macro strength(n, total, squares, k, s, m) as
    case
        when k < 2 or m <= 0 or m >= 1 or n - squares / n - (k - 1) <= 0 then 1000
        when (s / (m * (1 - m)) - (k - 1)) <= 0 then 1000
        else least(greatest(
            (n - squares / n - (k - 1)) / (s / (m * (1 - m)) - (k - 1)) - 1, 1
        ), 1000)
    end;

copy (
    with rates as (
        select
            user_id, sum(impressions) as shown, sum(answered) as answered,
            count(*) filter (interactions > 0) as consumed, count(*) filter (conversions > 0) as converted
        from pairs group by user_id
    ),

    click_prior as (
        select m, strength(n, c, squares, k, s - n * m * m, m) as strength
        from (
            select sum(shown) as n, sum(answered) as c, sum(shown * shown) as squares, count(*) as k,
                sum(answered * answered / shown) as s, sum(answered) / sum(shown) as m
            from rates where shown > 0
        )
    ),

    conversion_prior as (
        select m, strength(n, c, squares, k, s - n * m * m, m) as strength
        from (
            select sum(consumed) as n, sum(converted) as c, sum(consumed * consumed) as squares, count(*) as k,
                sum(converted * converted / consumed) as s, sum(converted) / sum(consumed) as m
            from rates where consumed > 0
        )
    ),

    session_numbers as (
        select
            user_id, count(*) as sessions, avg(seconds) as mean_seconds, median(seconds) as median_seconds,
            avg((n = 1)::int) as bounce_rate
        from sessions group by user_id
    ),

    entropies as (
        select
            user_id,
            -sum(p * log2(p)) filter (dimension = 'category') as category_entropy,
            -sum(p * log2(p)) filter (dimension = 'creator') as creator_entropy,
            -sum(p * log2(p)) filter (dimension = 'tag') as tag_entropy,
            -sum(p * log2(p)) filter (dimension = 'language') as language_entropy
        from (
            select user_id, dimension, weight / sum(weight) over (partition by user_id, dimension) as p
            from affinities where weight > 0
        )
        group by user_id
    ),

    tastes as (
        select
            user_id, count(*) as items, count(distinct category) as categories, avg(popularity_rank) as mainstream,
            avg(price) as mean_price
        from history inner join item_ranks using (item_id) group by user_id
    ),

    top_categories as (
        select
            user_id, arg_max(category, (n, category)) as top_category, max(n) / sum(n) as top_share
        from (
            select pairs.user_id, category, sum(interactions) as n
            from pairs inner join catalogue using (item_id)
            where interactions > 0 and category is not null group by all
        )
        group by user_id
    ),

    countries as (
        select user_id, arg_max(country, n) as country
        from (select user_id, country, sum(n) as n from places where country is not null group by all) group by user_id
    ),

    regions as (
        select user_id, arg_max(region, n) as region, max(n) as top_region_events
        from (select user_id, region, sum(n) as n from places where region is not null group by all) group by user_id
    ),

    devices as (
        select user_id, arg_max(device, n) as device
        from (select user_id, device, sum(n) as n from places where device is not null group by all) group by user_id
    )

    select
        user_totals.*, country, region, device, top_category, top_share, items, categories, mainstream, mean_price,
        sessions, mean_seconds, median_seconds, bounce_rate, span_days / nullif(active_days - 1, 0) as mean_return_days,
        percent_rank() over (order by engagement) as engagement_rank,
        (2 * interaction_count_14d - interaction_count_28d) / nullif(interaction_count_28d, 0) as activity_trend,
        category_entropy, creator_entropy, tag_entropy, language_entropy, shown,
        (answered + click_prior.strength * click_prior.m) / (shown + click_prior.strength) as click_through_rate,
        (converted + conversion_prior.strength * conversion_prior.m) / (consumed + conversion_prior.strength)
            as conversion_rate,
        sqrt(hour_sin * hour_sin + hour_cos * hour_cos) as hour_concentration,
        top_region_events / region_events as region_share
    from user_totals
    left join rates using (user_id)
    left join session_numbers using (user_id)
    left join entropies using (user_id)
    left join tastes using (user_id)
    left join top_categories using (user_id)
    left join countries using (user_id)
    left join regions using (user_id)
    left join devices using (user_id)
    cross join click_prior
    cross join conversion_prior
) to 'user_features.parquet';

drop table history;
drop table affinities;
drop table sessions;

-- Items

create temp table item_totals as
select
    item_id,
    count(*) filter (is_interaction) as interaction_count, max(occurred_us) filter (is_interaction) as last_us,
    min(occurred_us) as first_us,
    count(*) filter (event_type = 'view' and age <= 1) as views_1d,
    count(*) filter (event_type = 'view' and age <= 7) as views_7d,
    count(*) filter (event_type = 'view' and age <= 28) as views_28d,
    count(*) filter (event_type = 'click' and age <= 1) as clicks_1d,
    count(*) filter (event_type = 'click' and age <= 7) as clicks_7d,
    count(*) filter (event_type = 'click' and age <= 28) as clicks_28d,
    count(*) filter (is_conversion and age <= 1) as conversions_1d,
    count(*) filter (is_conversion and age <= 7) as conversions_7d,
    count(*) filter (is_conversion and age <= 28) as conversions_28d,
    sum(case when weight > 0 and age < 3 then pow(0.5, age * 24) * weight else 0 end) as popularity_1h,
    sum(case when weight > 0 and age < 9 then pow(0.5, age * 8) * weight else 0 end) as popularity_3h,
    sum(case when weight > 0 then pow(0.5, age) * weight else 0 end) as popularity_1d,
    sum(case when weight > 0 then pow(0.5, age / 7) * weight else 0 end) as popularity_7d,
    sum(case when weight > 0 then pow(0.5, age / 28) * weight else 0 end) as popularity_28d,
    avg(least(greatest(dwell_seconds, dwell_low), dwell_high)) filter (dwell_seconds is not null) as dwell,
    avg(least(greatest(scroll_fraction, scroll_low), scroll_high)) filter (scroll_fraction is not null) as scroll,
    avg(value) filter (event_type = 'rating') as rating_mean,
    count(value) filter (event_type = 'rating') as rating_count,
    count(*) filter (device in ('mobile', 'phone', 'tablet')) / nullif(count(device), 0) as mobile_share,
    avg(sin(2 * pi() * (occurred_us // 3600000000 % 24) / 24)) filter (is_interaction) as hour_sin,
    avg(cos(2 * pi() * (occurred_us // 3600000000 % 24) / 24)) filter (is_interaction) as hour_cos
from events cross join limits
group by item_id;

create temp table item_places as
select item_id, device, country, region, count(*) as events, count(*) filter (is_interaction) as interactions
from events group by all;

copy (
    with long as (
        select item_id, 'device' as dimension, device as value, sum(interactions) as n
        from item_places where device is not null group by all
        union all
        select item_id, 'country', country, sum(interactions) from item_places where country is not null group by all
        union all
        select item_id, 'region', region, sum(interactions) from item_places where region is not null group by all
    ),

    overall as (
        select dimension, value, sum(n) / sum(sum(n)) over (partition by dimension) as overall_share
        from long group by dimension, value
    ),

    shares as (
        select *, n / sum(n) over (partition by item_id, dimension) as share from long where n > 0
    )

    select shares.*, overall_share, share / overall_share as lift
    from shares inner join overall using (dimension, value)
) to 'item_audiences.parquet';

copy (
    with rates as (
        select
            item_id, sum(impressions) as shown, sum(answered) as answered,
            count(*) filter (interactions > 0) as users,
            count(*) filter (interactions > 0 and epoch_us(getvariable('as_of')) - last_us <= 7 * 86400000000) as users_7d,
            count(*) filter (conversions > 0) as converted
        from pairs group by item_id
    ),

    click_prior as (
        select m, strength(n, c, squares, k, s - n * m * m, m) as strength
        from (
            select sum(shown) as n, sum(answered) as c, sum(shown * shown) as squares, count(*) as k,
                sum(answered * answered / shown) as s, sum(answered) / sum(shown) as m
            from rates where shown > 0
        )
    ),

    conversion_prior as (
        select m, strength(n, c, squares, k, s - n * m * m, m) as strength
        from (
            select sum(users) as n, sum(converted) as c, sum(users * users) as squares, count(*) as k,
                sum(converted * converted / users) as s, sum(converted) / sum(users) as m
            from rates where users > 0
        )
    ),

    positions as (
        select item_id, first_position, sum(impressions) as shown, sum(answered) as answered
        from pairs where impressions > 0 group by all
    ),

    expected as (
        select item_id, sum(shown * rate) as expected
        from (
            select item_id, shown, sum(answered) over at_position / sum(shown) over at_position as rate
            from positions window at_position as (partition by first_position)
        )
        group by item_id
    ),

    regions as (
        select item_id, max(n) / sum(n) as top_region_share
        from (select item_id, region, sum(events) as n from item_places where region is not null group by all)
        group by item_id
    ),

    everyone as (select count(distinct user_id) as users from pairs where interactions > 0)

    select
        item_totals.*, price, rates.users, users_7d, converted, rates.shown,
        rates.shown / sum(rates.shown) over () as impression_share,
        interaction_count / sum(interaction_count) over () as interaction_share,
        percent_rank() over (order by rates.users) as users_rank, percent_rank() over (order by users_7d) as users_7d_rank,
        users_7d / rates.users as recent_user_share,
        popularity_1h / sum(popularity_1h) over () as popularity_1h_share,
        popularity_3h / sum(popularity_3h) over () as popularity_3h_share,
        popularity_1d / sum(popularity_1d) over () as popularity_1d_share,
        popularity_7d / sum(popularity_7d) over () as popularity_7d_share,
        popularity_28d / sum(popularity_28d) over () as popularity_28d_share,
        percent_rank() over (order by popularity_1h) as popularity_1h_rank,
        percent_rank() over (order by popularity_3h) as popularity_3h_rank,
        percent_rank() over (order by popularity_1d) as popularity_1d_rank,
        percent_rank() over (order by popularity_7d) as popularity_7d_rank,
        percent_rank() over (order by popularity_28d) as popularity_28d_rank,
        popularity_1h / nullif(popularity_1d, 0) as popularity_1h_to_1d,
        popularity_3h / nullif(popularity_1d, 0) as popularity_3h_to_1d,
        popularity_1d / nullif(popularity_7d, 0) as popularity_1d_to_7d,
        popularity_7d / nullif(popularity_28d, 0) as popularity_7d_to_28d,
        (answered + click_prior.strength * click_prior.m) / (rates.shown + click_prior.strength) as click_through_rate,
        click_prior.m * (answered + click_prior.strength * click_prior.m)
        / (coalesce(expected, 0) + click_prior.strength * click_prior.m) as position_corrected_rate,
        (converted + conversion_prior.strength * conversion_prior.m) / (rates.users + conversion_prior.strength)
            as conversion_rate,
        rates.users / everyone.users as audience_share,
        -log2(nullif(rates.users, 0) / everyone.users) as novelty_bits,
        interaction_count / nullif(rates.users, 0) as interactions_per_user,
        top_region_share,
        (epoch_us(getvariable('as_of')) - least(epoch_us(published_at), first_us)) / 86400000000.0 as age_days
    from item_totals
    inner join rates using (item_id)
    left join catalogue using (item_id)
    left join expected using (item_id)
    left join regions using (item_id)
    cross join click_prior
    cross join conversion_prior
    cross join everyone
) to 'item_features.parquet';
