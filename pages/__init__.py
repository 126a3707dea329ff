"""The pages of the dashboard and what they share."""
