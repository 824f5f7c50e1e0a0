"""Indexing: durable rows of one Space, found by a Query. `protocol.py` is the contract."""
