"""The pages, which app.py puts into its navigation."""
