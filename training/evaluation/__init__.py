"""How good a bundle is, measured through the service's own code: no TensorFlow, no PyTorch.

Every figure is a statistic of a table of scores (see ``training.evaluation.scoring``).
"""
