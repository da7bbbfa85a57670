"""Metrics, logs, traces, and the record of one request's stages."""
