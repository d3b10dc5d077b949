"""Machine code of a text that this process has compiled before is linked again, not compiled again.

The same text, compiled in the same way on the same machine, gives the same object file, so nothing is checked less: tests of
one file often ask for one function in several ways. Tracing, passes, lowering and linking run each time, and what goes by way
of the disk cache is left alone.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tracegrad.lowering.native import compile_fast, engine

MOST = 64 << 20                     # bytes of object files of one process
_kept: OrderedDict[tuple, tuple[bytes, dict]] = OrderedDict()
_size = 0
_off = 0


def _remembering(compiled: Callable, load: Callable) -> Callable:
    def run(source: str, *how) -> engine.Code:
        global _size
        if how[-1] is not None or _off:                        # it has a key on the disk
            return compiled(source, *how)
        key = (compiled, source, *how)
        found = _kept.get(key)
        if found is None:
            code = compiled(source, *how)
            _kept[key] = (code.object, dict(code.phases))
            _size += len(code.object) + len(source)
            while _size > MOST:
                (_, old, *_), (binary, _) = _kept.popitem(last=False)
                _size -= len(binary) + len(old)
            return code
        _kept.move_to_end(key)
        code = load(found[0], source)
        code.phases = dict(found[1])
        return code

    return run


def remember() -> None:
    """From now on in this process."""
    for module in (engine, compile_fast):
        module._compiled = _remembering(module._compiled, engine.load)


@contextmanager
def anew() -> Iterator[None]:
    """Everything is compiled, and nothing kept here: for tests that look at memory."""
    global _off
    _off += 1
    try:
        yield
    finally:
        _off -= 1
