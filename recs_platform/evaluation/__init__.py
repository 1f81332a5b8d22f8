"""Evaluation: ranking metrics, intervals, splits, label leakage."""
