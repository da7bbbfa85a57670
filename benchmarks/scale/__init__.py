"""How it scales: nodes of a cluster, cores of a machine, clients that send too much.

``python -m benchmarks.scale`` measures and writes ``benchmarks/results/*.json``, and from them the
figures in the documents, which nobody types.
"""
