"""Experiments: random patterns, capacity, published curve, with their records."""
