"""Screens archives on a cluster: shards of a source, by Ray Data, into Parquet.

Needs the extra ``ray``.
"""
