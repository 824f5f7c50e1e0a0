"""Every figure that samespace claims, printed by a command: python -m benchmarks NAME [--quick]."""
