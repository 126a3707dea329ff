"""Training: settings, recipes, loop, metrics, several processes, memory estimate."""
