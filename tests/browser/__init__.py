"""Tests in a browser: a package, so that fixtures can last until its last test."""
