"""Jitted functions and all that operators make of them pickle like functions, for every kind of worker."""
from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest

import tracegrad as tg

cloudpickle = pytest.importorskip("cloudpickle")
X = np.arange(1.0, 4.0)


def loss(x):
    return np.sum(x**2)


@tg.jit
def decorated(x):
    return np.sum(x**3)


@tg.grad
@tg.jit
def slope(x):
    return np.sum(x**4)


@tg.custom_jvp
def soft(x):
    return np.log(1 + np.exp(x))


@soft.defjvp
def soft_rule(primals, tangents):
    return soft(*primals), tangents[0] * 7.0


@tg.checkpoint
def again(x):
    return x * x


class Model:
    def __init__(self, k):
        self.k = k

    def value(self, x):
        return self.k * np.sum(x)

    @tg.jit
    def compiled(self, x):
        return x * 2.0


g = tg.grad(loss)
OBJECTS = {
    "jit": tg.jit(loss), "grad": g, "value_and_grad": tg.value_and_grad(loss), "jacobian": tg.jacobian(loss),
    "jacfwd": tg.jacfwd(loss), "jacrev": tg.jacrev(loss), "hessian": tg.hessian(loss), "vmap": tg.vmap(lambda x: x * 2),
    "vmap of a list": tg.vmap(np.sin, [0]), "sparse": tg.hessian(loss, sparse=True), "sparsity": tg.sparsity(loss),
    "grad of decorated": tg.grad(decorated), "jit of grad of decorated": tg.jit(tg.grad(decorated)),
    "below decorated": tg.value_and_grad(decorated.root), "method": tg.grad(Model(3.0).value), "decorated": decorated,
    "both": slope, "options": tg.grad(loss, (0,), static_argnums=[]),
}


def alike(a, b):
    a, b = (x.toarray() if hasattr(x, "toarray") else x for x in (a, b))
    if isinstance(a, tuple):
        return type(a) is type(b) and all(map(alike, a, b))
    return np.array_equal(a, b)


@pytest.mark.parametrize("name", OBJECTS)
def test_round_trip(name):
    f = OBJECTS[name]
    expected = f(X)
    assert alike(cloudpickle.loads(cloudpickle.dumps(f))(X), expected)
    if name != "vmap":                                        # a lambda
        for protocol in (2, pickle.HIGHEST_PROTOCOL):
            assert alike(pickle.loads(pickle.dumps(f, protocol))(X), expected)
    assert copy.copy(f) is f and copy.deepcopy({"f": f})["f"] is f


def test_names():
    for f in (decorated, slope, soft, again, Model.compiled):
        assert pickle.loads(pickle.dumps(f)) is f and copy.copy(f) is f and copy.deepcopy([f])[0] is f
        assert cloudpickle.loads(cloudpickle.dumps(f)) is f
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(tg.jit(lambda x: x))


@pytest.mark.sweep(6, days=True)
def test_custom_rules_and_checkpoints_by_value():
    @tg.custom_jvp
    def f(x):
        return x * x

    @f.defjvp
    def rule(primals, tangents):
        return f(*primals), 7.0 * tangents[0]
    again = tg.checkpoint(lambda x: f(x) * 2.0)
    got = cloudpickle.loads(cloudpickle.dumps(f))
    assert got(3.0) == 9.0 and tg.grad(got)(3.0) == 7.0
    assert tg.grad(cloudpickle.loads(cloudpickle.dumps(again)))(3.0) == 14.0
    assert cloudpickle.loads(cloudpickle.dumps(tg.grad(lambda x: again(x) + soft(x))))(3.0) == 21.0


def test_linear_maps_say_that_they_cannot():
    for made in (tg.vjp(loss, X)[1], tg.linearize(loss, X)[1]):
        with pytest.raises(tg.ArgumentTypeError, match=r"cannot be pickled[^\n]*\n.*tg.vjp or tg.linearize"):
            pickle.dumps(made)
        assert copy.deepcopy(made) is made


MAIN = '''
import sys, pickle
import numpy as np, tracegrad as tg
def helper(x): return x * K
K = 3.0
@tg.jit
def f(x): return np.sum(helper(x) ** 2)
g = tg.grad(f)
h = tg.jit(lambda x: g(x) + 1.0)
class Model:
    def __init__(self, k): self.k = k
    def loss(self, x): return self.k * np.sum(helper(x))
def power(x, n): return x if n == 0 else x * again(x, n - 1)
again = tg.jit(power, static_argnums=1)
objects = f, g, h, tg.vmap(h), tg.grad(Model(2.0).loss), tg.hessian(lambda x, k=2.0: np.sum(helper(x)**2) * k)
def values(objects): return [np.asarray(o(np.ones((2, 2)))).tolist() for o in objects]
if __name__ == "__main__":
    {body}
'''
BODIES = {
    "other": "import cloudpickle, subprocess\n    run = 'import sys, pickle, numpy as np; objects, again = "
             "pickle.load(sys.stdin.buffer); print([np.asarray(o(np.ones((2, 2)))).tolist() for o in objects], "
             "again(2.0, 3))'\n    data = cloudpickle.dumps((objects, again))\n"
             "    out = subprocess.run([sys.executable, '-c', run], input=data, capture_output=True)\n"
             "    assert out.stdout.decode().strip() == f'{values(objects)} {again(2.0, 3)}', out",
    "main": "assert pickle.loads(pickle.dumps(f)) is f and pickle.loads(pickle.dumps(g))(np.ones(2)).tolist() == [18, 18]",
    "spawn": "import multiprocessing as m\n    assert m.get_context('spawn').Pool(1).map(values, [(f, g)]) == [values((f, g))]",
    "forkserver": "import multiprocessing as m\n    pool = m.get_context('forkserver').Pool(1)\n"
                  "    assert pool.map(g, [np.ones(2)])[0].tolist() == [18, 18]",
    "joblib": "import joblib\n    made = joblib.Parallel(2)(joblib.delayed(o)(np.ones((2, 2))) for o in objects)\n"
              "    assert [np.asarray(x).tolist() for x in made] == values(objects)",
}


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("kind", BODIES)
def test_functions_of_the_main_program(kind, tmp_path):
    if kind == "joblib":
        pytest.importorskip("joblib")
    if kind in ("spawn", "forkserver") and kind not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {kind} here")
    (tmp_path / "program.py").write_text(MAIN.replace("{body}", BODIES[kind]))
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.sweep(2, days=True)
def test_dask():
    dask = pytest.importorskip("dask", reason="dask is not installed")
    made = dask.compute(*[dask.delayed(f)(X) for f in (g, decorated)], scheduler="processes")
    assert made[0].tolist() == (2 * X).tolist()


@pytest.mark.sweep(3, days=True)
def test_the_file_need_not_be_there(tmp_path):
    (tmp_path / "program.py").write_text(MAIN.replace(
        "{body}", "import cloudpickle; sys.stdout.buffer.write(cloudpickle.dumps(objects))"))
    data = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, timeout=60).stdout
    (tmp_path / "program.py").write_text("something else\n" * 30)
    f, g, *_ = pickle.loads(data)
    assert f(X) == 126.0 and g(X).tolist() == (18 * X).tolist()
