-- Empirical Bayes: how alike trials of one user are tells how far a rate of few trials is pulled to
-- everyone's. The ANOVA estimator of the beta-binomial's correlation, after Kleinman (1973).
with trials as (
    select
        'click_through' as rate,
        impression_count as trial_count,
        answered_count as success_count,
    from staging.stg_user_pairs
    where impression_count > 0
    union all
    select
        'conversion' as rate,
        consumed_item_count as trial_count,
        converted_item_count as success_count,
    from staging.stg_user_pairs
    where consumed_item_count > 0
),

totals as (
    select
        rate,
        count(*) as user_count,
        sum(trial_count) as trial_count,
        sum(success_count) / sum(trial_count) as mean_rate,
        sum(trial_count * trial_count) as trial_square_sum,
        sum(cast(success_count * success_count / trial_count as decimal(18, 9)))
            as success_square_sum,
    from trials
    group by rate
),

-- NULL where there is one user, one trial each, or no difference between trials.
correlations as (
    select
        rate,
        trial_count,
        mean_rate,
        (
            (cast(success_square_sum as double) - trial_count * mean_rate * mean_rate)
            / nullif(mean_rate * (1 - mean_rate), 0)
            - (user_count - 1)
        )
        * trial_count
        / nullif(
            trial_count * trial_count - trial_square_sum - (user_count - 1) * trial_count, 0
        ) as correlation,
    from totals
)

select
    rate,
    cast(trial_count as bigint) as trial_count,
    mean_rate,
    case
        when correlation > 0
            then least(greatest((1 - correlation) / correlation, 1), 1000)
        else 1000
    end as strength,
from correlations
