"""Pure numbers: ranking metrics, intervals, splits, label leakage."""
