"""Pure numbers: ranking metrics, intervals, splits, distribution shift. Nothing here reads tables or clocks."""
