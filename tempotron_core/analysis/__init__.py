"""Analysis: evaluation, contributions, learning steps, replay, code statistics, robustness, linear baselines."""
