"""Encoding: Items → Vectors of a Space, by a Recipe. `protocol.py` is the contract, `recipe.py` the data."""
