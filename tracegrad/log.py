"""What tracegrad tells the logging module, and `TRACEGRAD_LOG`, which prints it.

    tracegrad.compile   one line for each compilation, or each kernel from the disk: function, types, why, milliseconds
    tracegrad.cache     what is wrong with the disk cache, and what is not kept there and why

TRACEGRAD_LOG=compile, or compile,cache, prints these lines to stderr; a program may as well configure the loggers itself.
"""
from __future__ import annotations

import logging
import os

from .ir.errors import ArgumentError

NAMES = ("compile", "cache")
COMPILE = logging.getLogger("tracegrad.compile")


def configure(text: str | None) -> None:
    """Print what the loggers that `text` names say. Raises ArgumentError for others."""
    chosen = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in chosen:
        if name not in NAMES:
            raise ArgumentError(f"the environment variable TRACEGRAD_LOG is {text!r}",
                                f"set it to {' or '.join(NAMES)}, or both")
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger = logging.getLogger(f"tracegrad.{name}")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


configure(os.environ.get("TRACEGRAD_LOG"))
