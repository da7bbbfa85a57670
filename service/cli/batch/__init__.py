"""``pneumonia-xray batch``: screens an archive on a Ray cluster, by shards, into Parquet.

All but ``command`` runs in the cluster too, and needs the extra ``ray``.
"""
