"""Weights that become constants of the exported object: as they are, as int8 with scales, as float16."""
import shutil

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(0)
NET = {"w": RNG.normal(size=(30, 40)), "b": [RNG.normal(size=40), 0.5], "v": RNG.normal(size=(40, 3)).astype(np.float32)}
X = RNG.normal(size=(5, 30))
needs_c = pytest.mark.skipif(not (shutil.which("gcc") or shutil.which("cc")), reason="there is no C compiler")


def model(x, params, power=2):
    hidden = np.tanh(x @ params["w"] + params["b"][0] * params["b"][1])
    return np.sum(hidden @ params["v"], axis=0) ** power


@needs_c
def test_frozen_as_they_are(tmp_path):
    made = tg.export(model, X, directory=tmp_path, freeze={"params": NET})
    f = tg.load(tmp_path)
    np.testing.assert_allclose(f(X), model(X, NET), rtol=1e-12)
    np.testing.assert_allclose(f(x=X), f(X), rtol=0)
    assert made.files[0].stat().st_size > sum(x.nbytes for x in (NET["w"], NET["b"][0], NET["v"]))
    assert "Part of the object: params[\'w\']: float64[30, 40]" in made.files[1].read_text()
    assert made.report() == "nothing is quantised"
    with pytest.raises(TypeError, match="1 argument"):
        f(X, NET)


@needs_c
def test_a_gradient_by_what_is_not_frozen(tmp_path):
    def loss(params, x, y):
        return np.mean((np.tanh(x @ params["w"]) @ params["v"] - y) ** 2)

    y = RNG.normal(size=(5, 3))
    tg.export(loss, X, y, directory=tmp_path, freeze={"params": NET}, of="value_and_grad", argnums=1)
    value, slope = tg.load(tmp_path)(X, y)
    wanted = tg.value_and_grad(loss, 1)(NET, X, y)
    np.testing.assert_allclose(value, wanted[0], rtol=1e-12)
    np.testing.assert_allclose(slope, wanted[1], rtol=1e-10)


@needs_c
@pytest.mark.parametrize(("form", "share", "near"), [("int8", 0.2, 0.05), ("float16", 0.3, 5e-3)])
def test_quantised(form, share, near, tmp_path):
    made = tg.export(model, X, directory=tmp_path, freeze={"params": NET}, quantise=form)
    found, wanted = tg.load(tmp_path)(X), model(X, NET)
    apart = np.max(np.abs(found - wanted)) / np.max(np.abs(wanted))
    assert 0 < apart < near and made.difference == pytest.approx(apart, rel=1e-6)
    assert sum(w.bytes for w in made.weights) < share * sum(w.had for w in made.weights)
    paths = [w.path for w in made.weights]
    assert paths == ["params['w']", "params['b'][0]", "params['v']"]
    w, back = NET["w"], NET["w"].astype(np.float16).astype(float)
    if form == "int8":
        scale = np.max(np.abs(w), axis=1, keepdims=True) / 127
        back = np.rint(w / scale) * scale
    assert made.weights[0].error == pytest.approx(np.max(np.abs(back - w))) and made.report().count("\n") == 3


def overwritten(x, w):
    w[0] = 1.0
    return x * w


@pytest.mark.parametrize(("f", "options", "says"), [
    (model, {"freeze": {"weights": NET}}, "no parameter"),
    (model, {"freeze": {"params": NET}, "quantise": "int4"}, "int8, float16"),
    (model, {"freeze": {"params": NET}, "params": NET}, "given, too"),
    (model, {"params": NET, "quantise": "int8"}, "there are none"),
    (overwritten, {"freeze": {"w": np.ones((5, 30))}}, "overwrites or returns w"),
    (model, {"freeze": {"params": NET | {"w": np.full((30, 40), np.nan)}}, "quantise": "int8"}, "not finite"),
    (model, {"freeze": {"params": NET | {"w": np.full((30, 40), 1e6)}}, "quantise": "float16"}, "largest of float16")])
def test_misuse(f, options, says, tmp_path):
    with pytest.raises((TypeError, ValueError), match=says):
        tg.export(f, X, directory=tmp_path, **options)
