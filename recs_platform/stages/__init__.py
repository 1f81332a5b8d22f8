"""The eight stages, in the order data flows. They are strangers to each other and know no Dagster and no clock."""
