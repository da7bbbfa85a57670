"""Fitting: recipes, what is drawn and how it is varied, the loop, and averages of networks."""
