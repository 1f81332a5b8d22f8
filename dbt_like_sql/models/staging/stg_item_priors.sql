-- Empirical Bayes: rates are pulled to that of all items by as many imagined trials as the items'
-- differences call for, (1 - rho) / rho; rho by the beta-binomial's ANOVA estimator (Kleinman 1973)
with trials as (
    select
        'answered' as measure,
        impression_count as trial_count,
        answered_count as success_count,
    from staging.stg_item_trials
    where impression_count > 0
    union all
    select
        'converted' as measure,
        user_count as trial_count,
        converted_user_count as success_count,
    from staging.stg_item_trials
    where user_count > 0
),

sums as (
    select
        measure,
        count(*) as item_count,
        sum(trial_count) as trial_count,
        sum(cast(trial_count as hugeint) * trial_count) as trial_square_sum,
        cast(sum(success_count) as double) as success_count,
        cast(
            sum(
                cast(
                    cast(success_count as double) * success_count / trial_count as decimal(38, 12)
                )
            ) as double
        ) as success_square_sum,
    from trials
    group by measure
),

moments as (
    select
        measure,
        item_count - 1 as freedom,
        success_count / trial_count as overall_rate,
        success_square_sum - success_count * success_count / trial_count as deviation_sum,
        (trial_count * trial_count - trial_square_sum - (item_count - 1) * trial_count)
        / cast(trial_count as double) as room,
    from sums
),

correlations as (
    select
        measure,
        overall_rate,
        case
            when freedom > 0 and room > 0 and overall_rate > 0 and overall_rate < 1
                then (deviation_sum / (overall_rate * (1 - overall_rate)) - freedom) / room
        end as correlation,
    from moments
)

select
    measure,
    overall_rate,
    case
        when correlation > 0
            then least(greatest((1 - correlation) / correlation, 1.0), 1000.0)
        else 1000.0
    end as strength,
from correlations
