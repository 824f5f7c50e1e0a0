"""Reason: latent steps inside a causal model, before its vector is read out. See protocol.py."""
