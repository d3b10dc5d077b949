"""What the import checks on small objects, on large ones."""
import pytest
from tracegrad.lowering.native import c_layouts


@pytest.mark.skipif(not c_layouts.ENTRIES, reason="machine code does not look into dicts of this interpreter")
def test_entries_of_long_dicts():
    """Its indices take one, two and four bytes: 128 entries, 2^16 and more."""
    assert c_layouts.entries_found((0, 85, 86, 170, 171, 43_690, 43_691, 70_000))
