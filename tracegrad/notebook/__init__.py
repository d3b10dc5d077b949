"""Notebooks: what compiled functions look like in a cell, and `%load_ext tracegrad`, which brings `%%tg`."""
