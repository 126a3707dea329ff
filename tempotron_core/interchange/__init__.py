"""Networks from and for files of other programs, and generated Python code."""
