"""Run folders: files, tables, writing, reading, catalogue, export."""
