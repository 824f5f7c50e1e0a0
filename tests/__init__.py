"""The tests; a package so that `python -m tests.fuzz` finds it."""
