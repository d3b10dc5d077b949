"""Every example runs, and what it claims is so."""
import importlib.util
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
    tested = {"quickstart", "digits", "linear_regression", "focal_loss", "logistic", "implicit", "scale_out"}
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
