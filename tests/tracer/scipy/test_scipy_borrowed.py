"""Functions of SciPy that are traced from SciPy's own source: values, dtypes and derivatives, of every name in the table."""
import numpy as np
import pytest
import scipy.integrate as si
import scipy.linalg as sl
import scipy.ndimage as sn
import scipy.optimize as so
import scipy.signal as sg
import scipy.spatial as ss
import scipy.spatial.distance as sd
import scipy.special as sc
import scipy.stats as st
from tracegrad.tracer.calling.libraries.scipy_borrowed import NAMES

import tracegrad as tg

RNG = np.random.default_rng(3)
X, Y, S64 = RNG.uniform(0.2, 2, 8), RNG.uniform(0.2, 2, 8), RNG.standard_normal(64)
M = RNG.standard_normal((4, 4))
S, W, P = M @ M.T + 4 * np.eye(4), RNG.standard_normal((6, 4)), RNG.standard_normal((6, 3))
ROWS, IMAGE, T = RNG.standard_normal((3, 9)), RNG.standard_normal((7, 8)), np.sort(RNG.uniform(0, 5, 8))
COUNTS, WHOLE = np.array([3, 1, 2, 5, 4, 0, 2, 1]), np.arange(56).reshape(7, 8) // 20
BA, SOS = sg.butter(3, 0.2), sg.butter(3, 0.2, output="sos")
NUMBERS = """
    gmean hmean skew kurtosis sem variation zscore gzscore gstd tmean entropy median_abs_deviation circmean circstd circvar iqr
    kstatvar differential_entropy
"""

# name -> (function, its arguments); "-" before a name: no slope to compare, as of a rank or a count
CASES = {
    "linalg.pinvh": (lambda a: sl.pinvh(a + a.T), (S,)),
    **{f"linalg.{n}": (lambda x, n=n: getattr(sl, n)(x), (X,)) for n in ("fiedler", "fiedler_companion")},
    "linalg.leslie": (lambda x, y: sl.leslie(x, y[1:]), (X, Y)),
    "linalg.matmul_toeplitz": (lambda a, b: sl.matmul_toeplitz((a[0], a[:, 0]), b), (M, S)),
    "linalg.convolution_matrix": (lambda x: sl.convolution_matrix(x, 4), (X,)),
    "linalg.orthogonal_procrustes": (lambda a, b: sl.orthogonal_procrustes(a, b)[1], (W, W[::-1].copy())),
    **{f"stats.{n}": (lambda x, n=n: getattr(st, n)(x), (X,)) for n in NUMBERS.split()},
    "stats.kstat": (lambda x: st.kstat(x, 2), (X,)), "stats.pmean": (lambda x: st.pmean(x, 2.5), (X,)),
    "stats.gmean rows": (lambda x: st.gmean(x * x, axis=1, keepdims=True), (ROWS,)),
    "stats.skew rows": (lambda x: st.skew(x, axis=1, bias=False), (ROWS,)),
    "stats.zscore rows": (lambda x: st.zscore(x, axis=1, ddof=1), (ROWS,)),
    "stats.zmap": (lambda x, y: st.zmap(x, y), (X, Y)), "stats.moment": (lambda x: st.moment(x, 3), (X,)),
    "stats.entropy two": (lambda x, y: st.entropy(x, y, base=2), (X, Y)),
    "stats.trim_mean": (lambda x: st.trim_mean(x, 0.2), (X,)),
    "stats.scoreatpercentile": (lambda x: st.scoreatpercentile(x, 30), (X,)),
    "stats.sigmaclip": (lambda x: st.sigmaclip(x, 3.0, 3.0).lower, (X,)),
    "stats.describe": (lambda x: st.describe(x).variance, (X,)),
    "stats.pearsonr": (lambda x, y: st.pearsonr(x, y).statistic, (X, Y)),
    "stats.pearsonr p": (lambda x, y: st.pearsonr(x, y)[1], (X, Y)),
    "stats.pointbiserialr": (lambda x, y: st.pointbiserialr(x, y).statistic, (X, Y)),
    "stats.ttest_ind": (lambda x, y: st.ttest_ind(x, y).statistic, (X, Y)),
    "stats.ttest_ind Welch": (lambda x, y: st.ttest_ind(x, y, equal_var=False).pvalue, (X, Y)),
    "stats.ttest_ind rows": (lambda x, y: st.ttest_ind(x, y, axis=1).statistic, (ROWS, ROWS[:, ::-1] * 0.7)),
    "stats.ttest_ind_from_stats": (lambda m: st.ttest_ind_from_stats(m, 1.2, 9, 1.0, 0.8, 12).statistic, (1.3,)),
    "stats.ttest_rel": (lambda x, y: st.ttest_rel(x, y).statistic, (X, Y)),
    "stats.ttest_1samp": (lambda x: st.ttest_1samp(x, 1.0).pvalue, (X,)),
    "stats.f_oneway": (lambda x, y: st.f_oneway(x, y, x * y).statistic, (X, Y)),
    "stats.bartlett": (lambda x, y: st.bartlett(x, y).statistic, (X, Y)),
    "stats.levene": (lambda x, y: st.levene(x, y, center="mean").statistic, (X, Y)),
    "stats.alexandergovern": (lambda x, y: st.alexandergovern(x, y).statistic, (X, Y)),
    "stats.chisquare": (lambda x: st.chisquare(x).statistic, (X,)),
    "stats.power_divergence": (lambda x: st.power_divergence(x, lambda_=0.5).statistic, (X,)),
    **{f"stats.{n}": (lambda x, n=n: getattr(st, n)(x).statistic, (S64,))
       for n in ["skewtest", "kurtosistest", "normaltest", "jarque_bera"]},
    "stats.boxcox_llf": (lambda k, x: st.boxcox_llf(k, x), (0.3, X)),
    "stats.bayes_mvs": (lambda x: st.bayes_mvs(x)[0].statistic, (X,)),
    "stats.wasserstein_distance": (lambda x, y: st.wasserstein_distance(x, y), (X, Y)),
    "stats.energy_distance": (lambda x, y: st.energy_distance(x, y), (X, Y)),
    "stats.probplot": (lambda x: st.probplot(x, fit=False)[1], (X,)),
    "-stats.rankdata": (lambda x: st.rankdata(x), (X,)), "-stats.mode": (lambda x: st.mode(x).mode, (COUNTS,)),
    "stats.quantile": (lambda x: st.quantile(x, 0.3), (X,)),
    "-stats.spearmanr": (lambda x, y: st.spearmanr(x, y).statistic, (X, Y)),
    "-stats.ks_1samp": (lambda x: st.ks_1samp(x, st.norm.cdf, alternative="less").pvalue, (X,)),
    "stats.ks_1samp": (lambda x: st.ks_1samp(x, st.norm.cdf, method="asymp").pvalue, (X,)),
    "-stats.ks_2samp": (lambda x, y: st.ks_2samp(x, y, method="asymp", alternative="greater").pvalue, (X, Y)),
    "stats.kstest": (lambda x: st.kstest(x, "norm", args=(0.1, 2.0), method="asymp").statistic, (X,)),
    "-stats.wilcoxon": (lambda x, y: st.wilcoxon(x, y, method="asymptotic").pvalue, (X, Y)),
    "-stats.wilcoxon ties": (lambda x: st.wilcoxon(x // 1 - 1, method="asymptotic", zero_method="pratt").statistic, (2 * X,)),
    "-stats.kruskal": (lambda x, y: st.kruskal(x, y).statistic, (X, Y)),
    "-stats.fligner": (lambda x, y: st.fligner(x, y).statistic, (X, Y)),
    "-stats.mood": (lambda x, y: st.mood(x, y).statistic, (X, Y)),
    **{f"stats.binned_statistic {n}": (lambda y, n=n: st.binned_statistic(X, y, n, bins=3, range=(0.1, 2.1)).statistic, (Y,))
       for n in ("mean", "sum", "std", "max")},
    "-stats.binned_statistic bins": (lambda x: st.binned_statistic(x, Y, "count", bins=[0.1, 1, 2])[2], (X,)),
    "stats.chi2_contingency": (lambda x: st.chi2_contingency(x.reshape(2, 4)).pvalue, (X * 9,)),
    "stats.chi2_contingency corrected": (lambda x: st.chi2_contingency(x.reshape(2, 2), lambda_=0.5).statistic, (X[:4] * 9,)),
    "-stats.cumfreq": (lambda x: st.cumfreq(x, 4).cumcount, (X,)),
    "-stats.relfreq": (lambda x: st.relfreq(x, 4).frequency, (X,)),
    "integrate.cumulative_simpson": (lambda y: si.cumulative_simpson(y, dx=0.5, initial=0.0), (X,)),
    "integrate.cumulative_simpson x": (lambda y, x: si.cumulative_simpson(y, x=x), (X, T)),
    "signal.chirp": (lambda t: sg.chirp(t, 1.0, 2.0, 3.0), (X,)), "signal.gausspulse": (lambda t: sg.gausspulse(t, 2), (X,)),
    "signal.detrend": (lambda x: sg.detrend(x), (S64,)), "signal.hilbert": (lambda x: np.abs(sg.hilbert(x)), (S64,)),
    "signal.hilbert2": (lambda x: np.abs(sg.hilbert2(x)), (IMAGE,)),
    "signal.resample": (lambda x: sg.resample(x, 40), (S64,)),
    "signal.savgol_filter": (lambda x: sg.savgol_filter(x, 7, 3), (S64,)),
    "signal.savgol_filter slope": (lambda x: sg.savgol_filter(x, 7, 3, deriv=1, mode="nearest"), (S64,)),
    "signal.sosfiltfilt": (lambda x: sg.sosfiltfilt(SOS, x), (S64,)),
    "signal.filtfilt": (lambda x: sg.filtfilt(*BA, x), (S64,)),
    "signal.welch": (lambda x: sg.welch(x, 10.0, nperseg=16)[1], (S64,)),
    "signal.periodogram": (lambda x: sg.periodogram(x)[1], (S64,)),
    "signal.csd": (lambda x, y: np.real(sg.csd(x, y, nperseg=16)[1]), (S64, S64[::-1].copy())),
    "signal.coherence": (lambda x, y: sg.coherence(x, y, nperseg=16)[1], (S64, S64[::-1].copy())),
    "signal.spectrogram": (lambda x: sg.spectrogram(x, nperseg=16)[2], (S64,)),
    "signal.stft": (lambda x: np.abs(sg.stft(x, nperseg=16)[2]), (S64,)),
    "signal.istft": (lambda x: sg.istft(x + 0.5j * x, nperseg=12)[1], (IMAGE,)),
    "signal.lombscargle": (lambda t, x: sg.lombscargle(t, x, np.array([0.5, 1.0])), (T, X)),
    "signal.vectorstrength": (lambda x: sg.vectorstrength(x, 1.0)[0], (X,)),
    "signal.wiener": (lambda x: sg.wiener(x, 5), (S64,)),
    "signal.freqz": (lambda b: np.abs(sg.freqz(b, [1.0, 0.5], worN=6)[1]), (X[:3],)),
    "signal.freqs": (lambda b: np.abs(sg.freqs(b, [1.0, 0.5], worN=X)[1]), (X[:3],)),
    "signal.zpk2tf": (lambda k: sg.zpk2tf([1.0], [0.5, 0.2], k)[0], (1.3,)),
    "signal.lfiltic": (lambda y: sg.lfiltic([1.0, 2.0], [1.0, 0.5], y), (X[:1],)),
    "signal.deconvolve": (lambda x, d: sg.deconvolve(x, d)[0], (X, X[:3])),
    "signal.cspline1d": (lambda x: sg.cspline1d(x), (X,)), "signal.qspline1d": (lambda x: sg.qspline1d(x), (X,)),
    "-signal.argrelextrema": (lambda x: sg.argrelextrema(x, np.greater)[0], (S64,)),
    "-signal.argrelmax": (lambda x: sg.argrelmax(x)[0], (S64,)), "-signal.argrelmin": (lambda x: sg.argrelmin(x)[0], (S64,)),
    **{f"ndimage.{n}": (lambda x, n=n: getattr(sn, n)(x), (IMAGE,)) for n in ["maximum", "minimum", "mean", "variance"]},
    "ndimage.mean labels": (lambda x: sn.mean(x, WHOLE, [0, 1, 2]), (IMAGE,)),
    "ndimage.sum_labels": (lambda x: sn.sum_labels(x, WHOLE, [0, 1, 2]), (IMAGE,)),
    "ndimage.standard_deviation": (lambda x: sn.standard_deviation(x), (IMAGE,)),
    "ndimage.center_of_mass": (lambda x: np.stack(sn.center_of_mass(x * x)), (IMAGE,)),
    "-ndimage.histogram": (lambda x: sn.histogram(x, -1, 1, 5), (IMAGE,)),
    "spatial.correlation": (lambda a, b: sd.correlation(a, b), (X, Y)),
    "spatial.distance_matrix": (lambda a: ss.distance_matrix(a, a[:3] + 1), (P,)),
    "spatial.jensenshannon": (lambda a, b: sd.jensenshannon(a, b), (X, Y)),
    "spatial.mahalanobis": (lambda a, b: sd.mahalanobis(a[0], a[1], b), (W, S)),
    "spatial.procrustes": (lambda a: ss.procrustes(a, a[::-1] * 1.3)[2], (P,)),
    "stats.linregress": (lambda x, y: st.linregress(x, y).slope, (X, Y)),
    "stats.linregress p": (lambda x, y: st.linregress(x, y).pvalue, (X, Y)),
    "stats.linregress errors": (lambda x, y: st.linregress(x, y).intercept_stderr, (X, Y)),
    "-stats.ranksums": (lambda x, y: st.ranksums(x, y).pvalue, (X, Y)),
    "stats.combine_pvalues": (lambda x: st.combine_pvalues(x / 10).pvalue, (X,)),
    "stats.boxcox": (lambda x, k: st.boxcox(x, k), (X, 0.3)),
    "stats.trimboth": (lambda x: np.sort(st.trimboth(x, 0.2)), (X,)), "stats.tmin": (lambda x: st.tmin(x, 0.3), (X,)),
    "-stats.quantile_test": (lambda x: st.quantile_test(x, q=0.9).statistic, (X,)),
    "-stats.brunnermunzel": (lambda x, y: st.brunnermunzel(x, y).statistic, (X, Y)),
    "stats.mvsdist": (lambda x: st.mvsdist(x)[0].mean(), (X,)),
    "stats.obrientransform": (lambda x, y: st.obrientransform(x, y)[0], (X, Y)),
    "stats.epps_singleton_2samp": (lambda x, y: st.epps_singleton_2samp(x, y).statistic, (X, Y)),
    "stats.confidence_interval": (lambda x, y: st.pearsonr(x, y).confidence_interval(0.9), (X, Y)),
    "stats.confidence_interval t": (lambda x, y: st.ttest_ind(x, y).confidence_interval(), (X, Y)),
    "stats.directional_stats": (lambda x: st.directional_stats(x).mean_direction, (P,)),
    "signal.sos2tf": (lambda k: sg.sos2tf(SOS * k)[0], (1.3,)),
    "signal.cont2discrete": (lambda a: sg.cont2discrete((a, a[:, :1], a[:1], np.zeros((1, 1))), 0.1)[0], (M,)),
    "signal.sweep_poly": (lambda x: sg.sweep_poly(x, np.poly1d([0.1, 0.2, 3.0])), (X,)),
    "signal.bode": (lambda w: sg.bode(([1.0], [1.0, 2.0]), w=w)[1], (X,)),
    "signal.lfilter_zi": (lambda b, a: sg.lfilter_zi(b, a), (X[:3], Y[:3])),
    "signal.decimate": (lambda x: sg.decimate(x, 2), (S64,)), "signal.envelope": (lambda x: sg.envelope(x), (S64,)),
    "signal.freqz_zpk": (lambda k: np.abs(sg.freqz_zpk([0.5], [0.2, 0.1], k, worN=6)[1]), (1.3,)),
    "signal.normalize": (lambda b, a: sg.normalize(b, a)[0], (X[:3], Y[:3])),
    "signal.firwin": (lambda f: sg.firwin(9, f), (0.3,)),
    **{f"ndimage.{n}": (lambda x, n=n: getattr(sn, n)(x), (IMAGE,)) for n in ["sum", "median"]},
    "ndimage.sum labels": (lambda x: sn.sum(x, WHOLE, [0, 1, 2]), (IMAGE,)),
    "ndimage.extrema": (lambda x: np.stack(sn.extrema(x)[:2]), (IMAGE,)),
    "-ndimage.maximum_position": (lambda x: np.stack(sn.maximum_position(x)), (IMAGE,)),
    **{f"ndimage.{n}": (lambda x, n=n: getattr(sn, n)(x, 3), (IMAGE,))
       for n in ["morphological_gradient", "white_tophat", "black_tophat"]},
    **{f"optimize.{n}": (lambda x, n=n: getattr(so, n)(x), (X,)) for n in ["rosen", "rosen_der", "rosen_hess"]},
    **{f"special.{n}": (lambda x, n=n: getattr(sc, n)(1, x), (X,)) for n in ["jvp", "yvp", "ivp", "kvp"]},
    **{f"special.{n}": (lambda x, n=n: np.abs(getattr(sc, n)(1, x)), (X,)) for n in ["h1vp", "h2vp"]},
    "special.softplus": (lambda x: sc.softplus(x), (X,)),
    "special.assoc_laguerre": (lambda x: sc.assoc_laguerre(x, 2, 1), (X,)),
    "spatial.minkowski_distance_p": (lambda a: ss.minkowski_distance_p(a, a[::-1] + 1, 3), (P,)),
    **{f"spatial.{n}": (lambda a, b, n=n: getattr(sd, n)(a, b), (X, Y))
       for n in ["euclidean", "sqeuclidean", "cityblock", "chebyshev", "canberra", "braycurtis"]},
    "spatial.minkowski weights": (lambda a, b: sd.minkowski(a, b, 3, w=np.abs(b) + 1), (X, Y)),
    "spatial.minkowski": (lambda a, b: sd.minkowski(a, b, 3), (X, Y)),
    "spatial.seuclidean": (lambda a, b: sd.seuclidean(a, b, np.abs(b) + 1), (X, Y)),
    "-spatial.num_obs_y": (lambda a: sd.num_obs_y(a), (X[:6],)), "-spatial.num_obs_dm": (lambda a: sd.num_obs_dm(a), (M,)),
    "-spatial.is_valid_dm": (lambda a: sd.is_valid_dm(a), (M,)),
    "spatial.geometric_slerp": (lambda a: ss.geometric_slerp(a / np.linalg.norm(a), np.array([0.0, 0.0, 1.0]), [0.2, 0.7]),
                                (np.array([1.0, 0.5, 0.2]),)),
    "stats.expectile": (lambda x: st.expectile(x, 0.7), (X,)), "stats.trim1": (lambda x: np.sort(st.trim1(x, 0.2)), (X,)),
    "stats.tmax": (lambda x: st.tmax(x), (X,)), "stats.yeojohnson": (lambda x: st.yeojohnson(x, 0.5), (X - 0.7,)),
    "stats.yeojohnson_llf": (lambda x, k: st.yeojohnson_llf(k, x), (X, 0.4)),
    "stats.friedmanchisquare": (lambda x, y: st.friedmanchisquare(x, y, x * y)[1], (X, Y)),
    "stats.false_discovery_control": (lambda x: st.false_discovery_control(x / 10), (X,)),
    **{f"signal.{n}": (lambda x, n=n: getattr(sg, n)(x), (X,)) for n in ["sawtooth", "square"]},
    "signal.gauss_spline": (lambda x: sg.gauss_spline(x, 3), (X,)),
    "signal.gaussian": (lambda k: sg.windows.gaussian(6, k), (1.3,)),
    "signal.freqz_sos": (lambda x: np.abs(sg.freqz_sos(np.concatenate((x[:3], np.ones(1), x[3:5]))[None], 6)[1]), (X,)),
    "-signal.impulse": (lambda t: sg.impulse(([1.0], [1.0, 2.0]), T=t)[1], (np.arange(5.0) * 0.3,)),
    "-signal.step": (lambda t: sg.step(([1.0], [1.0, 2.0]), T=t)[1], (np.arange(5.0) * 0.3,)),
    **{f"signal.{n}": (lambda k, n=n: np.concatenate(getattr(sg, n)([1.0, 2.0], [1.0, 2.0, 3.0], k)), (2.3,))
       for n in ["lp2lp", "lp2hp", "lp2bp", "lp2bs"]},
    "signal.minimum_phase": (lambda x: sg.minimum_phase(x), (np.array([1.0, 2.0, 3.5, 2.0, 1.0]),)),
    "ndimage.morphological_laplace": (lambda x: sn.morphological_laplace(x, 3), (IMAGE,)),
    "-ndimage.minimum_position": (lambda x: np.stack(sn.minimum_position(x)), (IMAGE,)),
    "optimize.rosen_hess_prod": (lambda x: so.rosen_hess_prod(x, x + 1), (X,)),
    "-special.factorial2": (lambda n: sc.factorial2(n), (np.array([1, 4, 7, 8]),)),
    "-special.factorialk": (lambda n: sc.factorialk(n, 3), (np.array([1, 4, 7, 8]),)),
    "special.diric": (lambda x: sc.diric(x, 5), (X,)),
    "spatial.minkowski_distance": (lambda a: ss.minkowski_distance(a, a[::-1] + 1), (P,)),
    **{f"-spatial.{n}": (lambda a, b, n=n: getattr(sd, n)(a > 1, b > 1), (X, Y))
       for n in ["dice", "rogerstanimoto", "sokalsneath", "yule", "russellrao"]},
    "-stats.mannwhitneyu": (lambda x, y: np.stack(st.mannwhitneyu(x, y)), (S64[:9], S64[20:40])),
    "-stats.kendalltau": (lambda x, y: np.stack(st.kendalltau(x, y)), (X, Y)),
    **{f"signal.{n}": (lambda w, n=n: np.stack(getattr(sg, n)(w, 30.0)), (0.3,)) for n in ["iirnotch", "iirpeak"]},
    "signal.firwin2": (lambda x: sg.firwin2(9, [0.0, 0.4, 1.0], x), (X[:3],)),
    "signal.kaiser_beta": (lambda a: sg.kaiser_beta(a), (40.0,)),
    "signal.kaiser_atten": (lambda w: sg.kaiser_atten(11, w), (0.3,)),
    "signal.sosfilt_zi": (lambda x: sg.sosfilt_zi(np.concatenate((x[:3], np.ones(1), x[3:5] / 4))[None]), (X,)),
    "-signal.choose_conv_method": (lambda x, y: sg.choose_conv_method(x, y) == "direct", (X, Y)),
    "signal.bilinear_zpk": (lambda x, y: np.concatenate(sg.bilinear_zpk(x[:2], y[:3], 1.0, 2.0)[:2]), (X, Y)),
    **{f"signal.{n}": (lambda x, y, n=n: np.concatenate([np.real(v) for v in getattr(sg, n)(x[:2], y[:3], 1.0, 2.0)[:2]]),
                       (X, Y)) for n in ["lp2lp_zpk", "lp2hp_zpk", "lp2bp_zpk", "lp2bs_zpk"]},
    "-ndimage.labeled_comprehension": (lambda x: sn.labeled_comprehension(x, WHOLE, [0, 1], np.mean, float, 0), (IMAGE,)),
    "signal.lsim": (lambda u: sg.lsim(([1.0], [1.0, 0.5, 1.0]), u, np.arange(8.0))[1], (X,)),
    "signal.dlsim": (lambda u: sg.dlsim(([1.0], [1.0, 0.5, 0.2], 1.0), u)[1], (X,)),
    "signal.abcd_normalize": (lambda a: sg.abcd_normalize(a, np.ones((4, 1)), np.ones((1, 4)), np.zeros((1, 1)))[0], (M,)),
    "signal.order_filter": (lambda x: sg.order_filter(x, np.ones(3), 1), (X,)),
    "signal.zpk2ss": (lambda k: sg.zpk2ss([-0.5], [-1.0, -2.0], k)[2], (1.7,)),
    "signal.sosfreqz": (lambda x: np.abs(sg.sosfreqz(np.concatenate((x[:3], np.ones(1), x[3:5]))[None], 6)[1]), (X,)),
    "linalg.cdf2rdf": (lambda w, v: sl.cdf2rdf(w + 0j, v + 0j)[0], (X[:4], M)),
    "-spatial.hamming": (lambda a, b: sd.hamming(a > 1, b > 1), (X, Y)),
    "-spatial.jaccard": (lambda a, b: sd.jaccard(a > 1, b > 1), (X, Y)),
}


@pytest.mark.sweep(28)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-13)
    assert np.shape(found) == np.shape(right) and np.asarray(found).dtype == np.asarray(right).dtype
    if not name.startswith("-"):
        weights = 1 + np.arange(np.size(right)).reshape(np.shape(right)) * 0.1
        tg.check_grads(lambda *args: np.sum(weights * f(*args)), args, order=1)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("test", [st.pearsonr, st.ttest_ind, st.linregress, st.spearmanr], ids=lambda f: f.__name__)
def test_results_are_returned_whole(test):
    """With what they hold beside their fields: SciPy's own methods go on from there."""
    found, right = tg.jit(lambda x, y: test(x, y))(X, Y), test(X, Y)
    assert type(found) is type(right) and vars(found).keys() == vars(right).keys()
    np.testing.assert_allclose(found, right, rtol=1e-11)
    if hasattr(right, "confidence_interval"):
        np.testing.assert_allclose(found.confidence_interval(), right.confidence_interval(), rtol=1e-11)


def test_every_name_has_a_case():
    tried = {name.lstrip("-").split(" ")[0] for name in CASES}
    assert {f"{package}.{name}" for package, names in NAMES.items() for name in names} <= tried


def test_exact_distributions_are_refused_with_the_method_to_take():
    for f, what in ((lambda x: st.ks_1samp(x, st.norm.cdf), "asymp"), (lambda x: st.ks_2samp(x, x + 1), "asymp"),
                    (lambda x: st.wilcoxon(x), "asymptotic")):
        with pytest.raises(tg.UnsupportedError, match=f"pass method='{what}'"):
            tg.jit(f)(X)


def test_compiled_functions_of_scipy_are_refused_by_name():
    """Behind a Python function too, as Cython would read the traced value as an array."""
    for f, name in ((lambda a: sl.schur(a), "linalg.schur"), (lambda a: sl.cossin(a, 1, 1), "linalg.cossin"),
                    (lambda a: sl.qz(a, a), "linalg.qz")):
        with pytest.raises(tg.UnsupportedError, match=f"scipy.{name} cannot be compiled"):
            tg.jit(f)(M)


def test_what_depends_on_the_nan_in_the_data_is_refused():
    np.testing.assert_array_equal(tg.jit(lambda x: st.skew(x))(np.array([1.0, np.nan, 2.0])), np.nan)
    with pytest.raises(tg.UnsupportedError, match="nan_policy='omit' cannot be compiled"):
        tg.jit(lambda x: st.skew(x, nan_policy="omit"))(X)


@pytest.mark.sweep(2, days=True)
def test_functions_that_sort_see_a_nan():
    x = np.array([[0.3, np.nan, 1.0, 2.0], [0.1, 0.5, -1.0, 4.0]])
    for f in (lambda x: st.iqr(x), lambda x: st.iqr(x, axis=1), lambda x: st.quantile(x, 0.3, axis=1),
              lambda x: st.rankdata(x, axis=1), lambda x: st.zscore(x[1:], axis=None)):
        np.testing.assert_allclose(tg.jit(f)(x), f(x), rtol=1e-12)
