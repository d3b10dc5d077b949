"""The op declarations. Importing this package fills `opdef.OPS`."""
from . import checks, control, elementwise, index, linalg, reduce, shape, tape  # noqa: F401
