"""What is known of the least value of an expression: where it is above 0 a division has no pole, a root is not steep."""
import math

import pytest
from tracegrad.autodiff.rules.nonfinite_partials import least, positive
from tracegrad.ir.text.printer import parse

UNKNOWN = -math.inf


@pytest.mark.parametrize("body, found", [
    ("%out = mul %x, %x : f64", 0.0), ("%out = mul %x, %y : f64", UNKNOWN), ("%out = add %x, 1.0 : f64", UNKNOWN),
    ("%s = mul %x, %x : f64\n  %out = add %s, 0.01 : f64", 0.01), ("%s = abs %x : f64\n  %out = add %s, -1.0 : f64", -1.0),
    ("%s = exp %x : f64\n  %t = add %s, 4.0 : f64\n  %out = pow %t, 1.5 : f64", 8.0),
    ("%s = exp %x : f64\n  %t = add %s, 4.0 : f64\n  %out = pow %t, -1.5 : f64", UNKNOWN),
    ("%s = abs %x : f64\n  %t = add %s, 9.0 : f64\n  %out = sqrt %t : f64", 3.0),
    ("%s = add %x, 4.0 : f64\n  %out = pow %s, 0.5 : f64", UNKNOWN), ("%out = max %x, 2.0 : f64", 2.0),
    ("%s = max %x, -3.0 : f64\n  %out = mul %s, %s : f64", 0.0), ("%out = min %x, 2.0 : f64", UNKNOWN),
    ("%s = max %x, 2.0 : f64\n  %t = max %y, 3.0 : f64\n  %out = mul %s, %t : f64", 6.0),
    ("%s = max %x, 1e-200 : f64\n  %out = mul %s, %s : f64", 0.0),             # it underflows
    ("%s = max %x, 1e-160 : f64\n  %out = mul %s, %s : f64", 0.0),             # a subnormal number
    ("%s = max %x, 1e200 : f64\n  %out = mul %s, %s : f64", math.inf),
    ("%s = max %x, 1e300 : f64\n  %out = pow %s, 40.0 : f64", 1e300), ("%s = abs %x : f64\n  %out = div 1.0, %s : f64", 0.0),
    ("%s = abs %x : f64\n  %t = add %s, inf : f64\n  %u = mul %s, %t : f64\n  %out = add %u, 1.0 : f64", UNKNOWN),
])
def test_scalars(body, found):
    f = parse(f"func @f(%x: f64, %y: f64) -> f64 {{\n  {body}\n  return %out\n}}")
    v = f.body.yields[0]
    assert least(v) == pytest.approx(found) and positive(v) == (found > 0)


def test_long_chains_of_doubling_end():
    lines = ["%v0 = abs %x : f64", *(f"%v{k + 1} = add %v{k}, %v{k} : f64" for k in range(200))]
    f = parse("func @f(%x: f64) -> f64 {\n  " + "\n  ".join(lines) + "\n  return %v200\n}")
    assert least(f.body.yields[0]) == UNKNOWN
