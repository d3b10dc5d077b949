"""Functions for other frameworks."""
