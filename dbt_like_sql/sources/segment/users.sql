-- Traits add up: the latest word on each of them in the file counts, in every row of the user. An
-- identify call without traits says nothing of a user, and must not blank what is known.
with identified as (
    select
        line_number,
        coalesce(person(userid), anonymousid) as user_id,
        coalesce(
            right_instant(coalesce(bare(originaltimestamp), timestamp), sentat, receivedat),
            instant(timestamp), instant(originaltimestamp), instant(receivedat)
        ) as told_at,
        -- RudderStack puts them into the context.
        coalesce(json_merge_patch(context -> '$.traits', traits), traits, context -> '$.traits')
            as traits,
    from raw_records
    where
        type = 'identify'
        and len(json_keys(coalesce(traits, '{}')))
        + len(json_keys(coalesce(context -> '$.traits', '{}')))
        > 0
),

latest as (
    select
        identified.user_id,
        trait.key as trait,
        last(
            trait.value
            order by identified.told_at nulls first, identified.line_number, trait.value::varchar
        ) as told,
        trait.key in ('createdAt', 'age', 'gender', 'plan', 'consent', 'consent_personalization')
            as is_column,
    from identified, json_each(identified.traits) as trait
    group by identified.user_id, trait.key
),

profiles as (
    select
        user_id,
        any_value(told ->> '$') filter (where trait = 'createdAt') as signed_up_at,
        any_value(told ->> '$.country') filter (where trait = 'address') as country,
        any_value(told ->> '$') filter (where trait = 'age') as age,
        any_value(told ->> '$') filter (where trait = 'gender') as gender,
        any_value(told ->> '$') filter (where trait = 'plan') as subscription,
        list(trait order by trait) filter (where not is_column) as other_traits,
        list(told order by trait) filter (where not is_column) as others_told,
    from latest
    group by user_id
)

select
    identified.line_number,
    identified.user_id,
    profiles.signed_up_at,
    profiles.country,
    case
        when try_cast(profiles.age as double) is null then profiles.age
        when try_cast(profiles.age as double) < 18 then 'under 18'
        when try_cast(profiles.age as double) < 25 then '18-24'
        when try_cast(profiles.age as double) < 35 then '25-34'
        when try_cast(profiles.age as double) < 45 then '35-44'
        when try_cast(profiles.age as double) < 55 then '45-54'
        else '55+'
    end as age_band,
    profiles.gender,
    profiles.subscription,
    to_json(map(profiles.other_traits, profiles.others_told)) as attributes,
from identified
left join profiles on identified.user_id = profiles.user_id
