"""Every example runs, and what it claims is so."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sweeps import FULL

import tracegrad as tg

FOLDER = pathlib.Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location("example_" + name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(text):
    return [float(x) for x in re.findall(r"-?\d+\.\d+", text)]


def test_every_example_has_a_test():
    tested = {"quickstart", "digits", "linear_regression", "focal_loss", "logistic", "implicit", "scale_out", "fit_page",
              "pymc_nile"}
    assert {path.stem for path in FOLDER.glob("*.py")} == tested


def test_quickstart(capsys):
    load("quickstart")
    energy, python, slope, difference = numbers(capsys.readouterr().out)
    assert energy == python and slope == pytest.approx(difference, abs=1e-6)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_digits_learns(digits, capsys):
    """Twelve epochs instead of sixty: the accuracy that README names takes the whole run."""
    assert digits.main(12) > 0.94
    out = capsys.readouterr().out
    assert re.search(
        r"test accuracy 9\d\.\d\d%\n[\d,]+ steps per second compiled, [\d,]+ with the gradient by hand in NumPy \([\d.]+x\)",
        out,
    )


def test_digits_takes_the_step_of_numpy(digits):
    """The compiled step, gradient included, is the one written by hand; one specialisation serves all of them."""
    rng = np.random.default_rng(1)
    ours = theirs = digits.start(rng, 64, 10)
    images, labels = rng.uniform(size=(digits.BATCH, 64)), rng.integers(0, 10, digits.BATCH)
    for _ in range(5):
        ours, value = digits.compiled_step(ours, images, labels)
        theirs, expected = digits.numpy_step(theirs, images, labels)
        assert value == pytest.approx(expected, rel=1e-10)
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-8, atol=1e-12)
    assert ours[3] == theirs[3] == 5.0


def test_digits_compiles_once(digits):
    f, rng = tg.jit(digits.numpy_step.__globals__["adam"]), np.random.default_rng(2)
    state, images, labels = digits.start(rng, 64, 10), rng.uniform(size=(8, 64)), rng.integers(0, 10, 8)
    for _ in range(4):
        state, _ = f(digits.loss_and_gradient_by_hand, state, images, labels)
    assert f.cache_info().misses == 1 and f.specializations[0].hits == 4


def test_linear_regression(capsys):
    load("linear_regression").main()
    out = capsys.readouterr().out
    fitted, best = numbers(out.splitlines()[-2])
    assert best <= fitted < 1.01 * best and numbers(out.splitlines()[-1])[0] > 0.5


def test_focal_loss(capsys):
    example = load("focal_loss")
    example.main()
    loss, accuracy, recall = numbers(capsys.readouterr().out.splitlines()[1])
    assert loss < 0.01 and accuracy > 0.97 and recall > 0.8


def test_logistic(capsys):
    load("logistic").main()
    loss, *weights = numbers(capsys.readouterr().out)
    assert loss < 0.45
    np.testing.assert_allclose(weights[:3], [1.5, -2.0, 0.5], atol=0.25)


def test_implicit(capsys):
    example = load("implicit")
    example.main()
    assert "best ridge weight" in capsys.readouterr().out
    theta, h = np.array([4.0, 1.0]), 1e-6
    slopes = tg.jacrev(example.meeting)(theta)
    for k in range(2):
        bump = h * np.eye(2)[k]
        difference = (example.meeting(theta + bump) - example.meeting(theta - bump)) / (2 * h)
        np.testing.assert_allclose(slopes[:, k], difference, rtol=1e-6, atol=1e-8)


def test_scale_out_with_the_sums_of_parts():
    """The steps of two parts are those of the whole."""
    example = load("scale_out")
    features, label, true = example.data()
    parts = list(zip(np.array_split(features, 2), np.array_split(label, 2)))

    def whole(weight):
        return example.gradient(weight, features, label)

    def summed(weight):
        found = [example.work(weight, part) for part in parts]
        return found[0][0] + found[1][0], found[0][1] + found[1][1]

    one, two = [example.steps(total, *features.shape) for total in (whole, summed)]
    np.testing.assert_allclose(one[0], two[0], rtol=1e-10)
    np.testing.assert_allclose(one[0], true, atol=0.35)
    assert one[1] < 0.45


@pytest.mark.skipif(not FULL, reason="minutes of processes that start: with TRACEGRAD_FULL_TESTS=1")
@pytest.mark.parametrize("how", ["dask", "mpi"])
def test_scale_out_with_two_workers(how, tmp_path):
    command = [sys.executable, str(FOLDER / "scale_out.py")]
    if how == "dask":
        pytest.importorskip("distributed", reason="dask.distributed is not installed")
    else:
        pytest.importorskip("mpi4py", reason="mpi4py is not installed")
        if (launcher := shutil.which("mpiexec") or shutil.which("mpirun")) is None:
            pytest.skip("no MPI here")
        command = [launcher, "-n", "2", *command, "--mpi"]
    environment = os.environ | {"TRACEGRAD_CACHE": "1", "TRACEGRAD_CACHE_DIR": str(tmp_path / "cache")}
    printed = [subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment) for _ in range(2)]
    for done in printed:
        assert done.returncode == 0, done.stderr[-3000:]
        assert numbers(done.stdout)[0] < 0.45
    assert "kernels of the workers: disk, disk" in printed[1].stdout


# --- a page that fits points, in a browser ----------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRAGGED = """<script>
const said = {}, many = count => { for (let k = 0; k < count; k++) step(); draw(); return value; };
const sent = (target, type, x, y) => target.dispatchEvent(new PointerEvent(type, { clientX: x, clientY: y, bubbles: true }));
restart(); said.start = lossAndGradient(params); said.curve = curve(params);
said.fitted = many(3000);
const box = plot.getBoundingClientRect();
sent(dots[5], "pointerdown", box.left, box.top);
sent(plot, "pointermove", box.left + 0.45 * box.width, box.top + 0.9 * box.height); sent(plot, "pointerup", 0, 0);
sent(plot, "pointermove", 0, 0); said.point = [X[5], Y[5]];
said.dragged = lossAndGradient(params)[0]; said.again = many(6000);
dots[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true })); said.moved = Y[0];
said.wide = document.documentElement.scrollWidth > innerWidth;
document.body.innerHTML = "<pre id=said>" + JSON.stringify(said) + "</pre>";
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_page_that_fits_dragged_points(tmp_path):
    if not (shutil.which("wasm-ld") or importlib.util.find_spec("ziglang")):
        pytest.skip("a module of WebAssembly is linked by wasm-ld, or by ziglang: pip install ziglang")
    example, page = load("fit_page"), tmp_path / "fit.html"
    example.main(page)
    page.write_text(page.read_text().replace("</html>", DRAGGED + "</html>"))
    done = subprocess.run([BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=500,900",
                           f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()],
                          capture_output=True, text=True, timeout=120)
    said = json.loads(done.stdout.split('<pre id="said">')[1].split("</pre>")[0])
    params, (x, y) = example.start(), example.points()
    value, slope = tg.value_and_grad(example.loss)(params, x, y)
    np.testing.assert_allclose(said["start"][0], value, rtol=1e-13)
    slopes = np.concatenate([np.ravel(slope[k]) for k in sorted(slope)])
    np.testing.assert_allclose(said["start"][1], slopes, rtol=1e-9, atol=1e-14)
    wanted = example.model(params, np.linspace(-1.0, 1.0, example.CURVE))
    np.testing.assert_allclose(said["curve"], wanted, rtol=1e-12, atol=1e-14)
    assert said["fitted"] < 0.2 * value and said["dragged"] > 3 * said["fitted"] and said["again"] < 0.7 * said["dragged"]
    np.testing.assert_allclose(said["point"], [-0.1, (200 - 360) / 190], atol=0.01)
    assert said["moved"] == pytest.approx(y[0] + 0.05) and not said["wide"]


# --- PyMC ------------------------------------------------------------------------------------------------------------------

def test_pymc_samples_through_a_loop():
    """Fewer draws than the example's own: the moments are those of the exact posterior, by quadrature."""
    pytest.importorskip("pymc", reason="pymc is not installed: pip install pymc")
    example = load("pymc_nile")
    found, exact = example.sampled(300), example.exact()
    for name, (mean, spread) in exact.items():
        assert abs(found[name][0] - mean) < 0.4 * spread and 0.7 < found[name][1] / spread < 1.4
