"""Translating: Vectors of one Space → Vectors of another. `protocol.py` is the contract."""
