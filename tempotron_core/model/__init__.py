"""Network as an immutable value, and its prediction."""
