"""scipy.special: what traced code computes in place of its functions.

`ufuncs.SPECIAL` maps the name of a ufunc to its rule, a formula over one element; `FUNCTIONS` that of another function to a
handler that is composed of NumPy's. Formulas are those of SciPy's documentation unless a comment derives another. Derivatives
follow from the formulas.
"""
from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import DTypeError, UnsupportedError
from ...ir.opdef import OPS
from ...ir.ops.elementwise import like
from ...ir.ops.special.further import SPHERICAL_SLOPES
from .. import tracing
from ..values import boxes, ufuncs
from ..values.boxes import as_array
from ..values.promotion import fail
from ..values.ufuncs import SPECIAL, SUBSTITUTES, direct

if TYPE_CHECKING:
    from ...ir.build import Builder, Expr
    from ...ir.core import Value
    from ...ir.types import DType

FUNCTIONS: dict = {}


def _formula(name: str) -> Callable:
    """Register a formula over expressions as the rule of a ufunc."""
    def register(formula: Callable) -> Callable:
        SPECIAL[name] = lambda b, xs, outs: formula(*map(b.expr, xs)).value
        return formula

    return register


_SAME_NAME = """
    erf erfc log1p expm1 cbrt exp2 expit log_expit logit ndtr log_ndtr erfinv erfcinv ndtri gamma rgamma gammasgn beta betaln
    xlogy xlog1py entr rel_entr kl_div exprel boxcox inv_boxcox pseudo_huber
"""
SPECIAL.update({name: direct(name) for name in _SAME_NAME.split()})
SPECIAL.update(psi=direct("digamma"), digamma=direct("digamma"), round=direct("rint"))
# SciPy's is -inf there, C's and Python's math.lgamma is inf
_formula("gammaln")(lambda x: (x == -math.inf).select(-math.inf, x.lgamma()))
_formula("exp10")(lambda x: 10.0 ** x)
_formula("i0")(lambda x: like(x, 0).bessel_i(x))
_formula("i1")(lambda x: like(x, 1).bessel_i(x))


# --- SciPy's routines -------------------------------------------------------------------------------------------------

def _routine(*names: str) -> Callable:
    """The rule of a ufunc that is a routine of SciPy, or several for its results. All operands have the result's dtype; a
    degree or order that is an integer takes SciPy's routine for integers, the op "…_n"."""
    def run(b: Builder, xs: list[Value], outs: tuple[DType, ...]) -> Any:
        found, whole_operand = [], any(x.type.dtype.kind in "iu" for x in xs)
        for name in names:
            whole = name + "_n" if whole_operand and name + "_n" in OPS else name
            if outs[0] not in getattr(OPS.get(whole), "takes", ()):
                fail(DTypeError, f"scipy.special.{name} of {outs[0].np} cannot be compiled", "convert with .astype() first")
            found.append(b(whole, *(b.cast(x, outs[0]) for x in xs)))
        return found[0] if len(found) == 1 else tuple(found)

    return run


_OWN_NAME = """
    gammainc gammaincc gammaincinv gammainccinv betainc betaincc betaincinv betainccinv stdtr stdtrit chdtr chdtrc chdtri gdtr
    gdtrc pdtr pdtrc fdtr fdtrc fdtri bdtr bdtrc nbdtr nbdtrc kolmogorov kolmogi smirnov smirnovi owens_t ndtri_exp jv yv iv kv
    jve yve ive kve hankel1 hankel2 hankel1e hankel2e j0 j1 y0 y1 i0e i1e k0 k1 k0e k1e yn kn struve modstruve ber bei ker kei
    berp beip kerp keip hyp0f1 hyp1f1 hyp2f1 hyperu binom poch wrightomega erfcx erfi dawsn wofz voigt_profile exp1 expi expn
    spence cosm1 sindg cosdg tandg cotdg powm1 boxcox1p ellipk ellipe ellipkm1 elliprc elliprd elliprf elliprg elliprj ellipkinc
    ellipeinc zetac eval_jacobi eval_sh_jacobi eval_gegenbauer eval_genlaguerre eval_laguerre eval_legendre eval_sh_legendre
    eval_chebyt eval_chebyu eval_chebyc eval_chebys eval_sh_chebyt eval_sh_chebyu eval_hermite eval_hermitenorm
    gdtria gdtrib gdtrix chdtriv fdtridfd btdtria btdtrib stdtridf chndtrix chndtrinc chndtridf nrdtrimn nrdtrisd bdtrik bdtrin
    bdtri nbdtrik nbdtrin nbdtri pdtrik pdtri nctdtrit nctdtridf nctdtrinc ncfdtri ncfdtridfn ncfdtridfd ncfdtrinc
    chndtr nctdtr ncfdtr tklmbda agm wright_bessel _ncx2_pdf _binom_ppf _nbinom_ppf
"""
SPECIAL.update({name: _routine(name) for name in _OWN_NAME.split()})
SPECIAL.update({
    "jn": _routine("jv"), "sici": _routine("sine_integral", "cosine_integral"), "fresnel": _routine("fresnel_s", "fresnel_c"),
    "shichi": _routine("sinh_integral", "cosh_integral"),
    "airy": _routine("airy_ai", "airy_ai_slope", "airy_bi", "airy_bi_slope"),
    "ellipj": _routine("jacobi_sn", "jacobi_cn", "jacobi_dn", "jacobi_am"), "_zeta": _routine("zeta"),
    "pbdv": _routine("pbdv", "pbdv_slope"), "itj0y0": _routine("integral_j0", "integral_y0"),
    "iti0k0": _routine("integral_i0", "integral_k0"), "itstruve0": _routine("integral_struve"),
    "itmodstruve0": _routine("integral_modstruve"), "_riemann_zeta": _routine("riemann_zeta"),
    "_lambertw": _routine("lambertw")})
ROUTINE_NAMES = {*_OWN_NAME.split(), "jn", "sici", "fresnel", "shichi", "airy", "ellipj", "_zeta", "_riemann_zeta", "_lambertw",
                 "loggamma", "inv_boxcox1p", "lambertw", "zeta", "comb", "perm", "factorial",
                 "polygamma", "pbdv", "itj0y0", "iti0k0", "itstruve0", "itmodstruve0", "spherical_jn", "spherical_yn",
                 "spherical_in", "spherical_kn", *(f"_spherical_{letter}n" for letter in SPHERICAL_SLOPES)}


def _renamed(op: str) -> Callable:
    """An op of complex numbers in the place of one of real numbers."""
    return lambda b, x: b(op, x)


for _name, _op in (("erf", "erf_z"), ("erfc", "erfc_z"), ("ndtr", "ndtr_z"), ("log_ndtr", "log_ndtr_z"), ("gamma", "gamma_z"),
                   ("rgamma", "rgamma_z"), ("digamma", "digamma_z")):
    SUBSTITUTES[_name, "c"] = _renamed(_op)


@_formula("inv_boxcox1p")
def _inv_boxcox1p(y: Any, power: Any) -> Any:
    zero = power == 0
    return zero.select(y.expm1(), ((y * power).log1p() / zero.select(1.0, power)).expm1()).surrogate(y.inv_boxcox(power))


def _loggamma(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    """Of real numbers log Γ(x), NaN left of 0, where Γ has both signs."""
    if outs[0].complex:
        return b("loggamma", xs[0])
    x = b.expr(xs[0])
    return (x < 0).select(math.nan, x.lgamma()).value


SPECIAL["loggamma"] = _loggamma


# --- losses and transforms --------------------------------------------------------------------------------------------

@_formula("huber")
def _huber(delta: Any, r: Any) -> Any:
    size = r.abs()
    return (delta < 0).select(math.inf, (size <= delta).select(r * r * 0.5, delta * (size - delta * 0.5)))


# --- functions of whole arrays ----------------------------------------------------------------------------------------

def _function(name: str) -> Callable:
    def register(handler: Callable) -> Callable:
        FUNCTIONS[name] = handler
        return handler

    return register


def _floating(x: Any) -> Any:
    box = as_array(x)
    return box if box.dtype_ir.inexact else box.astype(np.float64)


def _shifted(x: Any, axis: int | None) -> Any:
    """(x minus its maximum along the axis, that maximum, or 0 where it is not finite)."""
    top = np.max(x, axis=axis, keepdims=True)
    top = _constant(np.where(np.isfinite(top), top, np.zeros((), x.dtype)))
    return x - top, top


def _constant(box: Any) -> Any:
    """What is subtracted and added again, so that its own derivative cancels: it has none."""
    return as_array(boxes.result(tracing.current().builder("stop_gradient", as_array(box).read())))


@_function("logsumexp")
def logsumexp(a: Any, axis: int | None = None, b: Any = None, keepdims: bool = False,
              return_sign: bool = False) -> Any:
    x = _floating(a)
    if b is not None:
        full, b = np.broadcast_arrays(x, np.asarray(b, x.dtype) if isinstance(b, (int, float)) else _floating(b))
        x = np.where(b == 0, -np.inf, full)
    shifted, top = _shifted(x, axis)
    terms = np.exp(shifted) if b is None else _weighted(b, shifted, full - top)
    total = np.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(total)
    out = np.log(np.abs(total) if return_sign else total) + top
    found = [v if keepdims else (v.reshape(())[()] if axis is None else np.squeeze(v, axis=axis)) for v in (out, sign)]
    return tuple(found) if return_sign else found[0]


def _weighted(b: Any, shifted: Any, full: Any) -> Any:
    """b exp(x), and 0 where b is 0 whatever x; its slope by b there is exp(x) all the same."""
    builder = tracing.current().builder
    terms = as_array(b * np.exp(shifted))
    smooth = builder("mulz", *[boxes.to_value(v, terms.dtype_ir) for v in (b, np.exp(full))])
    return boxes.array(builder("surrogate", terms.read(), smooth))


@_function("softmax")
def softmax(x: Any, axis: int | None = None) -> Any:
    x = _floating(x)
    terms = np.exp(x - _constant(np.max(x, axis=axis, keepdims=True)))
    return terms / np.sum(terms, axis=axis, keepdims=True)


@_function("log_softmax")
def log_softmax(x: Any, axis: int | None = None) -> Any:
    shifted = _shifted(_floating(x), axis)[0]
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@_function("multigammaln")
def multigammaln(a: Any, d: Any) -> Any:
    """log Γ_d(a) = d(d-1)/4 log π + Σ log Γ(a - k/2)"""
    box, total = _floating(a), 0.25 * d * (d - 1) * math.log(math.pi)
    for k in range(d):
        total = total + boxes.result(SPECIAL["gammaln"](tracing.current().builder, [(box - 0.5 * k).read()],
                                                        (box.dtype_ir,)))
    return total.astype(np.float64)


def _ufunc(name: str, *args: Any) -> Any:
    """A ufunc of scipy.special, which is at hand: the user has called a function of that package."""
    return ufuncs.call(getattr(sys.modules["scipy.special"]._ufuncs, name), *args)


@_function("lambertw")
def lambertw(z: Any, k: int = 0, tol: float = 1e-8) -> Any:
    return _ufunc("_lambertw", z, k if isinstance(k, int) else as_array(k).astype(np.int64), tol)


@_function("zeta")
def zeta(x: Any, q: Any = None, out: Expr | None = None) -> Any:
    found = _ufunc("_riemann_zeta", x) if q is None else _ufunc("_zeta", x, q)
    if out is not None:
        out[...] = found
    return found


@_function("polygamma")
def polygamma(n: Any, x: Any) -> Any:
    """(-1)^(n+1) n! ζ(n+1, x), of order 0 ψ(x)."""
    if isinstance(n, int) and n == 0:
        return _ufunc("psi", _floating(x).astype(np.float64))
    order, x = _floating(n), _floating(x)
    sign = 1.0 - 2.0 * np.mod(order + 1.0, 2.0)
    higher = sign * _ufunc("gamma", order + 1.0) * _ufunc("_zeta", order + 1.0, x)
    return higher if isinstance(n, int) else np.where(order == 0, _ufunc("psi", x), higher)


def _inexact(name: str, exact: Any) -> None:
    if exact:
        fail(UnsupportedError, f"scipy.special.{name} with exact=True makes integers without bound: it cannot be compiled",
             "use exact=False, or call it before the compiled function")


@_function("comb")
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    _inexact("comb", exact)
    N, k = as_array(N), as_array(k)
    if repetition:
        return np.where((k == 0) & (N >= 0), 1.0, _ufunc("binom", N + k - 1, k))
    return np.where((k <= N) & (N >= 0) & (k >= 0), _ufunc("binom", N, k), 0.0)


@_function("perm")
def perm(N: Any, k: Any, exact: bool = False) -> Any:
    _inexact("perm", exact)
    N, k = as_array(N), as_array(k)
    return np.where((k <= N) & (N >= 0) & (k >= 0), _ufunc("poch", N - k + 1, k), 0.0)


@_function("factorial")
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    _inexact("factorial", exact)
    if extend != "zero":
        fail(UnsupportedError, f"scipy.special.factorial with extend={extend!r} cannot be compiled", "use gamma(n + 1)")
    n = as_array(n).astype(np.float64)
    return np.where(n < 0, 0.0, _ufunc("gamma", n + 1))


def _mirrored(name: str, order: Any, z: Any) -> Any:
    """j_n(-z) = (-1)^n j_n(z), as i_n, and k_n(-z) = -(-1)^n k_n(z) - π i_n(z), which the routines do not have."""
    if name == "spherical_yn":
        return _ufunc("_spherical_yn", order, z)
    left, sign = z < 0, np.where(order % 2 == 0, 1, -1).astype(z.dtype)
    size = np.where(left, -z, z)
    found = _ufunc(f"_{name}", order, size)
    if name != "spherical_kn":
        return np.where(left, sign * found, found)
    return np.where(left, -sign * found - math.pi * _ufunc("_spherical_in", order, np.where(left, size, 0.0)), found)


def _spherical(name: str) -> Callable:
    def function(n: Any, z: Any, derivative: bool = False) -> Any:
        n, z = as_array(n), _floating(z)
        if not np.issubdtype(n.dtype, np.integer) or np.issubdtype(z.dtype, np.complexfloating):
            fail(UnsupportedError, f"scipy.special.{name} of complex numbers, or of an order that is no integer, cannot be "
                 "compiled", "use the Bessel function of order n + 1/2")

        def value(order: Any) -> Any:
            found = _mirrored(name, order, z)
            return found if name == "spherical_kn" else found.astype(np.float64)          # as SciPy's, which mirrors the others

        if not derivative:
            return value(n)
        before, after = SPHERICAL_SLOPES[name[-2]]
        lower = np.where(n == 0, 0.0, n * value(np.maximum(n - 1, 0)))
        return (before * lower + after * (n + 1) * value(n + 1)) / (2 * n + 1)

    return function


for _name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"):
    FUNCTIONS[_name], SPECIAL[f"_{_name}"] = _spherical(_name), _routine(_name)


def redirect(f: Callable | type) -> Any:
    """The handler of a function of scipy.special that is no ufunc."""
    if (getattr(f, "__module__", None) or "").startswith("scipy.special"):
        return FUNCTIONS.get(getattr(f, "__name__", ""))
    return None


