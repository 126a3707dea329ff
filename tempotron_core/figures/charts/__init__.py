"""Plotly figures and the data that they show."""
