-- A measure beyond these counts as the limit, so that a forgotten tab does not make a reader.
-- Quantiles that are values of the log themselves: nothing is interpolated.
select
    quantile_disc(dwell_seconds, 0.01) as dwell_seconds_low,
    quantile_disc(dwell_seconds, 0.99) as dwell_seconds_high,
    quantile_disc(scroll_fraction, 0.01) as scroll_fraction_low,
    quantile_disc(scroll_fraction, 0.99) as scroll_fraction_high,
from staging.stg_events
