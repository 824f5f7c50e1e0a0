"""Training plans: one file each, a Config and run(config)."""
