"""What has no special points, and why: every other function of the registries is a row of a table."""
from __future__ import annotations

from tracegrad.ir.ops.special import library
from tracegrad.tracer.scipy import special

from . import special_functions, special_orders, special_routines

REASONS = {
    "integers, bools or positions as results, or only shapes and dtypes are looked at": """
        isnan isinf isfinite signbit equal not_equal less less_equal greater greater_equal bitwise_and bitwise_or bitwise_xor
        left_shift right_shift invert logical_and logical_or logical_xor logical_not bitwise_count
        shape ndim size any all count_nonzero argmax argmin nanargmax nanargmin nonzero flatnonzero argwhere ix_ unravel_index
        ravel_multi_index argsort argpartition lexsort searchsorted digitize isclose allclose array_equal array_equiv isposinf
        isneginf iscomplex isreal isin result_type can_cast iscomplexobj isrealobj isscalar may_share_memory shares_memory
        common_type diag_indices_from tril_indices_from triu_indices_from unique_counts unique_inverse linalg.matrix_rank
        histogram_bin_edges fft.fftfreq fft.rfftfreq
        math.isnan math.isinf math.isfinite math.isclose math.factorial math.comb math.perm math.gcd math.lcm
        math.isqrt gcd lcm iterable cmath.isnan cmath.isinf cmath.isfinite cmath.isclose
        finfo iinfo
        math.ulp math.frexp math.floor math.ceil math.trunc builtins.len builtins.any builtins.all builtins.int builtins.bool
        _operator.index
        op:check op:wrap op:print op:sign op:floor op:ceil op:trunc op:rint op:isnan op:isinf op:isfinite op:signbit op:not
        op:invert op:floordiv op:eq op:ne op:lt op:le op:gt op:ge op:and op:or op:xor op:shl op:shr op:nonzero op:searchsorted
        op:argreduce op:argsort op:dim op:iota op:empty op:stack_new op:lookup op:members op:replica""",
    "constant by definition": "op:stop_gradient",
    "the derivative of one operand and the value of the other": "op:surrogate",
    "the derivative that an operand says": "op:sloped op:lost op:with_square",
    "zeros that carry the derivatives of the eigh and svd of a row": "op:couple",
    "made of sizes": "zeros ones empty zeros_like ones_like empty_like eye identity tri arange indices",
    "linear: the derivative is the function itself": """
        full full_like array asarray asanyarray ascontiguousarray require asfortranarray from_dlpack copy astype
        reshape ravel squeeze
        expand_dims atleast_1d atleast_2d atleast_3d transpose swapaxes moveaxis rollaxis flip fliplr flipud rot90
        sliding_window_view as_strided diagonal diag diagflat tril triu trace matrix_transpose linalg.trace linalg.diagonal
        linalg.matrix_transpose sum mean cumsum cumulative_sum nansum nancumsum nanmean diff ediff1d polyadd polysub polyder
        polyint bincount histogram histogram2d concatenate stack vstack hstack dstack column_stack append block array_split
        split
        vsplit hsplit dsplit unstack broadcast_to broadcast_arrays meshgrid tile repeat roll pad delete insert resize
        fill_diagonal copyto fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fftn fft.fft2 fft.ifftn fft.ifft2
        fft.rfftn fft.rfft2 fft.irfftn fft.irfft2 fft.fftshift fft.ifftshift builtins.sum
        builtins.float builtins.complex math.fsum
        op:cast op:fft op:rfft op:irfft op:slice op:update op:update_add op:gather op:scatter op:scatter_add op:broadcast
        op:reshape op:transpose op:concat op:push op:pop op:exchange""",
    "linear where the positions are, which are no subject of differentiation": """
        extract compress putmask place take put_along_axis put choose unique setdiff1d trim_zeros union1d intersect1d setxor1d
        unique_all unique_values""",
    "bilinear, of the op `dot`": """
        inner vdot outer linalg.outer linalg.matmul linalg.vecdot tensordot linalg.tensordot matmul vecdot matvec vecmat""",
    "draws: tests/tracer/numpy/test_random.py has their derivatives": """
        op:draw op:random_call op:gamma_draw op:gamma_draw_slope op:gamma_draw_bend""",
    "of integers, or another name of an op that has a row": """
        op:add_fits op:sub_fits op:mul_fits op:shl_fits op:unsigned op:unsigned_fits op:signed op:signed_fits
        op:libm_exp op:libm_expm1 op:libm_pow ndarray""",
    "the identity where it is defined": "real_if_close",
    "what it calls has the derivative": """
        apply_along_axis apply_over_axes fromiter fromfunction op:if op:for op:while op:map op:call""",
    "made of rows of the table: the parts of a complex number": "cmath.phase cmath.polar cmath.rect",
}

UNDECLARED = {name: reason for reason, names in REASONS.items() for name in names.split()}

# Those with a row of their own are in special_routines.py and special_orders.py
ROUTINES_REASON = "a routine of SciPy, smooth inside of its domain: see tests/tracer/scipy/test_special_routines.py"
_ROWS = {name for family in (special_routines, special_orders, special_functions) for row in family.ROWS
         for name in (row.name, *row.covers)}
_NAMES = [*(f"op:{name}" for name in library.ROUTINES), *special.ROUTINE_NAMES]
UNDECLARED |= {name: ROUTINES_REASON for name in _NAMES if name not in _ROWS and name.removeprefix("op:") not in _ROWS}
