"""The op declarations. Importing this package fills `opdef.OPS`.

`evaluate` gives arrays or NumPy scalars of exactly the declared dtype and shape; a result may be a view of an operand, which
nothing writes to. `index.WRITES` has the writing ops for memory that has one owner.
"""
from . import (  # noqa: F401
    checks,
    control,
    elementwise,
    fourier,
    index,
    linalg,
    random,
    random_functions,
    reduce,
    shape,
    special,
    spectral,
    table,
    tape,
)
