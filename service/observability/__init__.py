"""Metrics, logs, traces, and the record of one request that all three are made from."""
