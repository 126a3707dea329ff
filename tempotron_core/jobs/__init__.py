"""Training jobs in background threads."""
