"""Pictures as HTML, which need no chart library in the browser."""
