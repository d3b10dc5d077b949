"""Functions that SciPy itself writes in Python over NumPy's: they are rewritten from SciPy's source, like the user's functions.

  NAMES      package -> the functions that are known to pass: those that a test compares with SciPy
  HELPERS    SciPy's own helpers for several array libraries -> what they are for NumPy's arrays
  redirect   what traced code calls in place of one of these, or of any function that SciPy's own source calls

SciPy wraps functions of scipy.stats to take `axis`, `nan_policy` and `keepdims`: what is rewritten is the function inside, and
`_over_axes` is the wrapper, for arrays whose NaN are not known while compiling.
"""
from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.errors import ConcretizationError, UnsupportedError
from ... import tracing
from ...scipy.programs.interpolate.stands import Stand
from ...scipy.programs.stats import ranked
from ...syntax import source
from ...values.boxes import FUNCTIONS, ArrayBox, Box, as_array
from ...values.promotion import fail
from .. import calls
from . import numpy_source

if TYPE_CHECKING:
    from ....ir.core import Value
    from ....ir.types import Array, DType

NAMES = {package: frozenset(names.split()) for package, names in {
    "linalg": """
        fiedler fiedler_companion leslie matmul_toeplitz orthogonal_procrustes pinvh
        convolution_matrix cdf2rdf
    """,
    "stats": """
        bayes_mvs boxcox_llf chisquare circmean circstd circvar cumfreq relfreq describe differential_entropy energy_distance
        entropy f_oneway gmean hmean pmean iqr jarque_bera kurtosis kurtosistest skew skewtest median_abs_deviation mode moment
        normaltest pearsonr pointbiserialr probplot rankdata scoreatpercentile sem sigmaclip spearmanr tmean
        trim_mean ttest_1samp ttest_ind ttest_rel variation wasserstein_distance zscore zmap gzscore gstd
        power_divergence ttest_ind_from_stats kruskal bartlett levene fligner mood alexandergovern kstat kstatvar
        linregress ranksums combine_pvalues boxcox trimboth tmin quantile_test brunnermunzel mvsdist obrientransform
        epps_singleton_2samp directional_stats confidence_interval expectile trim1 tmax yeojohnson yeojohnson_llf
        friedmanchisquare false_discovery_control quantile mannwhitneyu kendalltau binned_statistic chi2_contingency
        ks_1samp kstest ks_2samp wilcoxon
    """,
    "integrate": "cumulative_simpson",
    "signal": """
        argrelextrema argrelmax argrelmin chirp coherence csd cspline1d qspline1d deconvolve detrend filtfilt freqz freqs
        gausspulse hilbert hilbert2 lfiltic periodogram resample savgol_filter
        sosfiltfilt spectrogram stft istft vectorstrength welch
        wiener zpk2tf lombscargle sos2tf cont2discrete sweep_poly bode lfilter_zi decimate envelope freqz_zpk normalize firwin
        sawtooth square gaussian freqz_sos gauss_spline impulse step lp2lp lp2hp lp2bp lp2bs minimum_phase
        iirnotch iirpeak firwin2 kaiser_beta kaiser_atten sosfilt_zi choose_conv_method bilinear_zpk
        lp2lp_zpk lp2hp_zpk lp2bp_zpk lp2bs_zpk lsim dlsim abcd_normalize order_filter sosfreqz zpk2ss
    """,
    "ndimage": """
        center_of_mass histogram maximum minimum mean sum_labels variance standard_deviation sum extrema maximum_position median
        morphological_gradient white_tophat black_tophat
        morphological_laplace minimum_position labeled_comprehension
    """,
    "spatial": """
        correlation distance_matrix hamming jaccard jensenshannon mahalanobis procrustes dice rogerstanimoto sokalsneath yule
        russellrao minkowski_distance minkowski_distance_p euclidean minkowski sqeuclidean cityblock chebyshev canberra
        braycurtis seuclidean num_obs_y num_obs_dm geometric_slerp is_valid_dm
    """,
    "optimize": "rosen rosen_der rosen_hess rosen_hess_prod",
    "special": "jvp yvp ivp kvp h1vp h2vp softplus assoc_laguerre factorial2 factorialk diric",
}.items()}
_WRAPPER = "axis_nan_policy_wrapper"
_STACKS = "_apply_over_batch.<locals>"


# --- SciPy's helpers --------------------------------------------------------------------------------------------------

def _numpy(*arrays: Any, **options: Any) -> Any:
    return np


def _never(*args: Any) -> bool:
    return False


def _asarray(array: ArrayBox, dtype: DType | None = None, order: str | None = None, copy: Any = None, *, xp: Any = None,
             check_finite: bool = False, subok: bool = False) -> Any:
    return calls.call(np.asarray, array, dtype)


def _result_type(*args: Any, force_floating: bool = False, xp: Any = None) -> Any:
    found = calls.call(np.result_type, *[a for a in args if a is not None])
    return np.result_type(found, np.float64) if force_floating and not np.issubdtype(found, np.inexact) else found


def _promote(*args: Any, broadcast: bool = False, force_floating: bool = False, xp: Any = None) -> Any:
    dtype = _result_type(*[as_array(a) if isinstance(a, (list, tuple)) else a for a in args], force_floating=force_floating)
    made = [None if a is None else calls.call(np.asarray, a, dtype) for a in args]
    if broadcast:
        full = iter(np.broadcast_arrays(*[as_array(a) for a in made if a is not None]))
        made = [None if a is None else next(full) for a in made]
    return made[0] if len(made) == 1 else tuple(made)


def _apply_where(cond: Value, args: Sequence[Value], f1: Any, f2: Any = None, /, *, fill_value: Any = None, kwargs: Any = None,
                 xp: Any = None) -> Any:
    """Both functions everywhere, and the one that the condition says: a branch not taken has no part in a derivative."""
    args, kwargs = args if isinstance(args, (list, tuple)) else (args,), kwargs or {}
    yes = calls.call(f1, *args, **kwargs)
    return calls.call(np.where, cond, yes, fill_value if f2 is None else calls.call(f2, *args, **kwargs))


class _At:
    """xpx.at(x)[index]: an update that leaves x as it is."""

    def __init__(self, x: Any, index: ArrayBox | None = None):
        self.x, self.index = x, index

    def __getitem__(self, index: ArrayBox) -> Any:
        return _At(self.x, index)

    def set(self, values: Any, **options: Any) -> Any:
        if isinstance(self.index, Box) and self.index.dtype == bool and not np.ndim(values):
            index = np.reshape(self.index, (*np.shape(self.index), *(1,) * (np.ndim(self.x) - np.ndim(self.index))))
            return np.where(index, np.asarray(values, self.x.dtype) if not isinstance(values, Box) else values, self.x)
        found = as_array(self.x).copy()
        found[self.index] = values
        return found

    def multiply(self, values: Any, **options: Any) -> Any:
        return self.set(self.x[self.index] * values)

    def add(self, values: Any, **options: Any) -> Any:
        return self.set(self.x[self.index] + values)

    def subtract(self, values: Any, **options: Any) -> Any:
        return self.set(self.x[self.index] - values)


def _atleast_nd(x: Any, *, ndim: Any, xp: Any = None) -> Any:
    x = as_array(x)
    return np.reshape(x, (1,) * max(0, ndim - x.ndim) + tuple(x.shape)) if x.ndim < ndim else x


def _contains_nan(a: Any, nan_policy: str = "propagate", policies: Any = None, *, xp_omit_okay: bool = False,
                  xp: Any = None) -> bool:
    """False as a rule: the wrapper, or the arithmetic, makes the results NaN. Functions that sort look where NaN are; they
    are those that also take lazy arrays."""
    if nan_policy != "propagate":
        fail(UnsupportedError, f"nan_policy={nan_policy!r} cannot be compiled: how many elements are left depends on the data",
             "use nan_policy='propagate', or drop the NaN before the call")
    return bool(xp_omit_okay) and a is not None and np.issubdtype(as_array(a).dtype, np.inexact)


def _remaining_shape(arrays: tuple[Array, ...], axis: int) -> Any:
    return sys.modules["scipy.stats._axis_nan_policy"]._broadcast_shapes_remove_axis([as_array(a).shape for a in arrays], axis)


def _length(x: Any, axis: int | None, keepdims: bool = False, xp: Any = None) -> Any:
    return as_array(x).size if axis is None else x.shape[axis]


def _rankdata(a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate") -> Any:
    """SciPy's, and NaN for each sample that has one. Ranks that are integers have no place for that."""
    _contains_nan(None, nan_policy)
    f = inspect.unwrap(sys.modules["scipy.stats"].rankdata)
    if not boxed(a):
        return calls.as_it_stands(sys.modules["scipy.stats"].rankdata, (a, method), {"axis": axis})
    ranks, x = as_array(_enter(f, a, method, axis=axis)), as_array(a)
    if not np.issubdtype(x.dtype, np.inexact) or x.size == 0:
        return ranks
    bad = np.isnan(x).any(axis=axis, keepdims=axis is not None)
    if ranks.dtype == np.float64:
        return np.where(bad, np.nan, ranks)
    good = as_array(bad.any()).read()
    builder = tracing.current().builder
    builder.emit("check", builder("not", good), error="ValueError", message="ranks are integers here, which cannot be NaN "
                 "as those of a sample with NaN are: use method='average'")
    return ranks


_OTHERS = """
    is_lazy_array is_jax is_torch is_cupy is_dask is_torch_array is_jax_array is_array_api_strict is_marray
    is_cupy_namespace is_jax_namespace is_torch_namespace is_dask_namespace
"""
def _rank_sum_method(n1: int, n2: int, ties: Any) -> str:
    """Of small samples SciPy counts all orders, unless some of their values are equal."""
    if n1 <= 8 or n2 <= 8:
        fail(UnsupportedError, "scipy.stats.mannwhitneyu of a sample of 8 values or less cannot be compiled without method=",
             "pass method='asymptotic'")
    return "asymptotic"


def _poly(zeros: Any, *, xp: Any = None) -> Any:
    """SciPy compares the imaginary parts only, to see whether zeros come in conjugate pairs."""
    zeros = as_array(zeros)
    if len(zeros.dims) != 1 or not zeros.dtype_ir.complex:
        return calls.call(np.poly, zeros)
    return numpy_source.poly_of_pairs(zeros, zeros.imag, -zeros.imag)


def _exact(*args: Any, **options: Any) -> None:
    fail(UnsupportedError, "the exact distribution of Kolmogorov's and Smirnov's statistic cannot be compiled",
         "pass method='asymp', of two samples also alternative='less' or 'greater', or put the statistic into "
         "scipy.special.kolmogorov or smirnov")


def _along(arrays: Sequence[Any], axis: int | None = None, xp: Any = None) -> Any:
    arrays = [as_array(a) for a in arrays]
    return _broadcast(arrays, [axis % max(a.ndim for a in arrays)] if axis is not None else [], False)


def _signed_ranks(x: Any, y: Any, zero_method: Any, correction: Any, alternative: Any, method: Any, axis: Any) -> Any:
    """Of small samples SciPy counts all signs, unless some of their differences are equal."""
    found = _enter(sys.modules["scipy.stats._wilcoxon"]._wilcoxon_iv, x, y, zero_method, correction, alternative, method, axis)
    if found[4] == "auto":
        fail(UnsupportedError, "scipy.stats.wilcoxon of a sample of 50 values or less cannot be compiled without method=",
             "pass method='asymptotic'")
    return found


HELPERS = {
    "_broadcast_array_shapes_remove_axis": _remaining_shape,
    "array_namespace": _numpy, "np_compat": _numpy, "is_numpy": lambda xp: True,
    **dict.fromkeys(_OTHERS.split(), _never),
    "is_numpy_namespace": lambda xp: True, "xp_default_dtype": lambda xp: np.float64, "device": lambda x: None,
    "xp_result_device": lambda *arrays: None, "size": lambda x: as_array(x).size, "_asarray": _asarray, "xp_promote": _promote,
    "xp_result_type": _result_type, "_contains_nan": _contains_nan, "apply_where": _apply_where, "_lazywhere": _apply_where,
    "at": _At, "atleast_nd": _atleast_nd, "_length_nonmasked": _length,
    "rankdata": _rankdata, "_kendall_p_exact": functools.partial(calls.call, ranked.kendall_p_exact),
    "_mwu_choose_method": _rank_sum_method, "kolmogn": _exact, "_attempt_exact_2kssamp": _exact, "_broadcast_arrays": _along,
    "_wilcoxon_iv": _signed_ranks,
    "xp_copy": lambda x, *, xp=None, copy=None: as_array(x).copy(), "xp_ravel": lambda x, *, xp=None: as_array(x).ravel(),
    "xp_swapaxes": lambda a, i, j, xp=None: np.swapaxes(as_array(a), i, j),
    "xp_take_along_axis": lambda a, i, axis=-1: FUNCTIONS[np.take_along_axis](as_array(a), as_array(i), axis),
    "xp_vector_norm": lambda x, /, *, axis=None, keepdims=False, ord=2, xp=None: calls.call(
        np.linalg.vector_norm, as_array(x), axis=axis, keepdims=keepdims, ord=ord),
    "is_complex": lambda x, xp=None: np.issubdtype(as_array(x).dtype, np.complexfloating),
    "poly": _poly,
    "_share_masks": lambda *args, xp=None: args[0] if len(args) == 1 else args,
    "ascontiguousarray": lambda x, **options: as_array(x),
}
_PLACES = ("scipy._lib", "scipy._external", "scipy.stats._axis_nan_policy", "scipy.stats._stats_py",
           "scipy.stats._mstats_basic", "scipy.stats._mannwhitneyu", "scipy.signal._polyutils", "scipy.stats._ksstats",
           "scipy.stats._wilcoxon")
_COMPAT = "array_api_compat."                # SciPy's view of NumPy, whose functions are NumPy's


# --- the wrapper of scipy.stats ---------------------------------------------------------------------------------------

def _part(f: Callable, name: str) -> Any:
    return (f.__closure__ or ())[f.__code__.co_freevars.index(name)].cell_contents


def _over_axes(wrapper: Any, name: str) -> Any:
    """What SciPy's wrapper does for arrays without masks: samples along one last axis, NaN where a sample has one."""
    f = _part(wrapper, "hypotest_fun_in")
    source.OPENED.add(f.__code__)
    parameters = list(inspect.signature(f).parameters)

    def call(*args: Any, _no_deco: bool = False, **kwargs: Any) -> Any:
        if _no_deco:
            return _enter(f, *args, **kwargs)
        count = _part(wrapper, "n_samples")
        loose = list(args) if count is None else []                  # f(*samples, …)
        if count is not None:
            kwargs = {**dict(zip(parameters, args)), **kwargs}
            count = count(kwargs) if callable(count) else count
        names = parameters[:count] if count is not None else []
        also = [n for n in _part(wrapper, "kwd_samples") if kwargs.get(n) is not None]
        axis, policy = kwargs.pop("axis", _part(wrapper, "default_axis")), kwargs.pop("nan_policy", "propagate")
        keepdims = kwargs.pop("keepdims", False)
        _contains_nan(None, policy)
        given = loose + [kwargs.pop(n) for n in names] + [kwargs.pop(n) for n in also]
        if len(given) > 1 and any(type(s) in (int, float) for s in given):            # which leave float32 as it is
            given = list(_promote(*given))
        samples, kept = _aligned([as_array(s) for s in given], axis, _part(wrapper, "paired"))
        return _applied(wrapper, f, samples, also, kwargs, kept if keepdims else None, name)

    return call


def _aligned(samples: Any, axis: int, paired: Any) -> Any:
    """(samples whose last axis is the one to go over, the shape with keepdims)."""
    if len({s.dtype for s in samples}) > 1:
        samples = list(_promote(*samples))
    samples = [s if s.ndim else s.reshape(1) for s in samples]
    if axis is None:
        rank = max(s.ndim for s in samples)
        return [s.ravel() for s in samples], (1,) * rank
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    rank = max(s.ndim for s in samples)
    if rank > 1 and len(samples) > 1:
        samples = _broadcast(samples, [a % rank for a in axes], paired)
    kept = [1 if k in {a % rank for a in axes} else n for k, n in enumerate(samples[0].shape)]
    last = tuple(range(-len(axes), 0))
    moved = [np.moveaxis(s, axes, last) for s in samples]
    if len(axes) > 1:
        moved = [m.reshape(*m.shape[:-len(axes)], int(np.prod(m.shape[-len(axes):]))) for m in moved]
    return moved, tuple(kept)


def _broadcast(samples: Any, axes: Sequence[int], paired: Any) -> Any:
    rank = max(s.ndim for s in samples)
    full = [s.reshape((1,) * (rank - s.ndim) + tuple(s.shape)) for s in samples]
    if paired:
        return list(np.broadcast_arrays(*full))
    shapes = [np.broadcast_shapes(*[tuple(1 if k in axes else n for k, n in enumerate(s.shape)) for s in full])] * len(full)
    return [np.broadcast_to(s, tuple(s.shape[k] if k in axes else n for k, n in enumerate(shape)))
            for s, shape in zip(full, shapes)]


def _applied(wrapper: Any, f: Callable, samples: Any, also: Any, kwargs: Any, kept: Any, name: str) -> Any:
    override, several = _part(wrapper, "override"), max(s.ndim for s in samples) > 1
    vectorized = "axis" in inspect.signature(f).parameters
    if several and not vectorized:
        fail(UnsupportedError, f"{name} along an axis of an array of several dimensions cannot be compiled",
             "call it for each row in a loop")
    if vectorized:
        kwargs = {**kwargs, "axis": -1}
    count = len(samples) - len(also)
    found = calls.call(f, *samples[:count], **dict(zip(also, samples[count:])), **kwargs)
    parts = list(_part(wrapper, "result_to_tuple")(found, _outputs(wrapper, kwargs)))
    if override["nan_propagation"]:
        floats = [s for s in samples if np.issubdtype(s.dtype, np.inexact)]
        parts = [_spoilt(part, floats) for part in parts]
    if kept is not None:
        parts = [as_array(part).reshape(kept) for part in parts]
    return _part(wrapper, "tuple_to_result")(*parts)


def _outputs(wrapper: Any, kwargs: Any) -> Any:
    count = _part(wrapper, "n_outputs")
    return count(kwargs) if callable(count) else count


def _spoilt(part: Any, samples: Any) -> Any:
    """NaN where a sample has one."""
    if not isinstance(part, Box) or not np.issubdtype(part.dtype, np.inexact):
        return part
    bad = None
    for s in samples:
        here = np.isnan(s).any(axis=-1)
        bad = here if bad is None else bad | here
    if bad is None or as_array(bad).ndim != as_array(part).ndim:
        return part
    return np.where(bad, np.asarray(np.nan, part.dtype), part)[()]


# --- whose source is rewritten ----------------------------------------------------------------------------------------

def inside() -> bool:
    """Whether SciPy's own source makes the call."""
    place = tracing.innermost()
    return place is not None and place.file in tracing.LIBRARIES


def helper(f: Callable) -> Any:
    """What stands for one of SciPy's own helpers, or None."""
    module, name = f.__module__, f.__name__
    if module.startswith(_PLACES):
        same = getattr(np, name, None) if _COMPAT in module and name not in HELPERS else None
        return HELPERS.get(name) if same is None else functools.partial(calls.call, same)
    return None


def _stacks(f: types.FunctionType) -> bool:
    """Whether it is SciPy's wrapper that calls a function for each matrix of a stack, which is Python like the rest."""
    return f.__code__.co_qualname.startswith(_STACKS)


def redirect(f: Callable, name: str, names: Iterable[str] | None = None) -> Any:
    """What to call in place of a function of SciPy that is Python, or None."""
    names = NAMES.get(f.__module__.split(".")[1], ()) if names is None else names
    if not isinstance(f, types.FunctionType) or not (inside() or f.__name__ in names):
        return None
    inner = f
    while hasattr(inner, "__wrapped__") and inner.__code__.co_name != _WRAPPER and not _stacks(inner):
        inner = inner.__wrapped__
    if not isinstance(inner, types.FunctionType):
        return None
    wrapped = inner.__code__.co_name == _WRAPPER
    run = _over_axes(inner, name) if wrapped else functools.partial(_enter, inner)

    def call(*args: Any, **kwargs: Any) -> Any:
        if not any(map(boxed, (*args, *kwargs.values()))):
            return calls.as_it_stands(f, args, kwargs)
        return named(name, run, *args, **kwargs)

    return call


def named(name: str, run: Callable, /, *args: Any, **kwargs: Any) -> Any:
    """The call of a user; what SciPy's source does that cannot be compiled is an error of the function that was called."""
    if inside():
        return run(*args, **kwargs)
    here = len(tracing.locate())
    try:
        return run(*args, **kwargs)
    except (UnsupportedError, ConcretizationError) as error:
        if len(error.loc) <= here:                         # else of a function that the user handed over
            error.of_call(name)
        raise


def boxed(x: Any) -> bool:
    """Whether a value is traced, an object of SciPy that traced code has made, or a list that holds one."""
    return isinstance(x, (Box, Stand)) or (isinstance(x, (list, tuple)) and any(map(boxed, x)))


def method(f: types.MethodType, name: str) -> Any:
    """The same for a method of a distribution of SciPy."""
    several = any(k.__name__ == "multi_rv_generic" for k in type(f.__self__).__mro__)
    known = ("logpdf", "pdf", "logpmf", "pmf", "mean", "var", "cov", "entropy", "mode") if several else ("fit", "nnlf")
    run = redirect(f.__func__, name, known)
    return None if run is None else functools.partial(run, f.__self__)


def method_of(dist: Any, name: str) -> Any:
    """The same by its name."""
    found = getattr(dist, name, None)
    return method(found, f"scipy.stats.{type(dist).__name__.removesuffix('_gen')}.{name}") if isinstance(
        found, types.MethodType) else None


def _enter(f: Callable, /, *args: Any, **kwargs: Any) -> Any:
    source.OPENED.add(f.__code__)
    return calls._enter(tracing.current(), source.rewritten(f), args, kwargs)
