"""Fuzzing of what reads bytes and words that anyone may have written."""
