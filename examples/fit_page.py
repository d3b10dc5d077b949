"""A page that fits: drag points in a browser, and a model compiled to WebAssembly, with its gradient, follows.

    python examples/fit_page.py fit.html        (needs: pip install ziglang)

The loss is plain NumPy. It is exported for `wasm32` with its gradient, linked, and put into one file of HTML, which needs no
server and no other file. The page descends (Adam: D. P. Kingma and J. Ba, arXiv:1412.6980) as long as it is open; Python
has nothing to do with it any more. Without a mouse: Tab chooses a point, the arrow keys move it.
"""
import base64
import pathlib
import sys
import tempfile

import numpy as np

import tracegrad as tg

UNITS, POINTS, CURVE = 8, 12, 121


def model(params, x):
    """A network of one hidden layer, from numbers between -1 and 1 to such numbers."""
    return np.tanh(np.outer(x, params["w"]) + params["b"]) @ params["v"] + params["c"]


def loss(params, x, y):
    return np.mean((model(params, x) - y) ** 2) + 1e-4 * np.sum(params["v"] ** 2)


def start(seed=0):
    """Parameters to begin with: steps of tanh that are spread over the picture."""
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(3.0, 6.0, UNITS)
    return {"b": -slopes * np.linspace(-0.9, 0.9, UNITS), "c": 0.0, "v": 0.1 * rng.normal(size=UNITS), "w": slopes}


def points(seed=0):
    x = np.linspace(-0.9, 0.9, POINTS)
    return x, 0.5 * np.sin(3.0 * x) + 0.1 * np.random.default_rng(seed).normal(size=POINTS)


def module(folder, f, *args, **options):
    """(the bytes of the linked module, the name of its function)."""
    made = tg.export(f, *args, directory=folder, target="wasm32", **options)
    if made.note:
        raise SystemExit(made.note)
    return (folder / f"{made.name}.wasm").read_bytes(), made.name


def page():
    """The whole page as text."""
    params, (x, y) = start(), points()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        fit, _ = module(folder, loss, params, x, y, of="value_and_grad", name="fit")
        curve, _ = module(folder, model, params, np.linspace(-1.0, 1.0, CURVE), name="curve")
    numbers = np.concatenate([np.ravel(params[key]) for key in sorted(params)]).tolist()
    given = {"FIT": base64.b64encode(fit).decode(), "CURVE": base64.b64encode(curve).decode(), "START": numbers, "UNITS": UNITS,
             "X": x.tolist(), "Y": y.tolist(), "COUNT": CURVE}
    text = (pathlib.Path(__file__).parent / "fit_page.html").read_text(encoding="utf-8")
    for key, value in given.items():
        text = text.replace(f"{{{{{key}}}}}", str(value))
    return text


def main(file="fit.html"):
    text = page()
    pathlib.Path(file).write_text(text, encoding="utf-8")
    print(f"{file}: {len(text):,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:2])
