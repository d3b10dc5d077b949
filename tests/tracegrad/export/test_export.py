"""Exported functions: C programs and the loader compute what compiled functions do; what cannot leave Python is refused."""
import ctypes
import importlib.util
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy import special
from tracegrad.lowering.aot.targets import TARGETS
from tracegrad.lowering.native import engine
from tracegrad.lowering.native.elf import undefined

import tracegrad as tg
from tracegrad.cli import main


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def mlp(params, x, y):
    hidden = np.tanh(x @ params["w"] + params["b"])
    return np.mean((hidden @ params["v"] - y) ** 2)


def springs(x, v, stiffness, steps=200):
    """A chain of masses between two walls, by the velocity Verlet scheme."""
    x, v = x.copy(), v.copy()
    force = np.zeros_like(x)
    for _ in range(steps):
        for i in range(len(x)):
            left = x[i - 1] if i > 0 else 0.0
            right = x[i + 1] if i < len(x) - 1 else 0.0
            force[i] = stiffness * (left - 2.0 * x[i] + right)
        v += 0.01 * force
        x += 0.01 * v
    return x, v, 0.5 * np.sum(v * v)


def pick(x, i):
    return x[i] ** 2


def kinds(c, h, flag, n, small):
    """One of each dtype that travels in a way of its own."""
    return np.abs(c), (h * np.float16(2)), (flag if n > 2 else not flag), n + 1, small * np.int8(2), c * 2j


CC = shutil.which("gcc") or shutil.which("cc")
needs_c = pytest.mark.skipif(CC is None, reason="there is no C compiler")
RNG = np.random.default_rng(0)
POINT = RNG.normal(size=7)
NET = {"w": RNG.normal(size=(9, 20)), "b": RNG.normal(size=20), "v": RNG.normal(size=(20, 3))}
DATA = RNG.normal(size=(70, 9)), RNG.normal(size=(70, 3))
CHAIN = RNG.normal(size=11), RNG.normal(size=11), 3.0


def sums(x):
    """Several temporaries whose size only the data decide."""
    n = np.argmax(x)
    a = np.cumsum(x[:n])
    b = np.cumsum(a[::-1])
    c = np.cumsum(b[::-1] * a)
    d = np.cumsum(c[::-1] * b)
    e = np.cumsum(d[::-1] + c)
    return np.sum(e[::-1] * d), np.sum(np.cumsum(e)[::-1] * a)


def scale(scale):
    """In C, a variable of a function's name would stand in its way."""
    return scale * 2.0


CASES = {
    "scale": (scale, "value", (POINT,)),
    "rosenbrock": (rosenbrock, "grad", (POINT,)),
    "mlp": (mlp, "value_and_grad", (NET, *DATA)),
    "springs": (springs, "value", CHAIN),
    "sums": (sums, "value", (POINT,)),
}
OF = {"value": tg.jit, "grad": tg.grad, "value_and_grad": tg.value_and_grad}
# products are summed in another order than BLAS does it
BOUND = {"scale": 0.0, "rosenbrock": 3e-16, "mlp": 1e-13, "springs": 0.0, "sums": 0.0}


def numbers(tree):
    """All numbers of a result, in the order of the C function's results."""
    return [x for leaf in leaves(tree) for x in leaf.ravel().tolist()]


def leaves(tree):
    """The leaves, in the order of the C function's parameters."""
    if isinstance(tree, dict):
        return [x for k in sorted(tree) for x in leaves(tree[k])]
    if isinstance(tree, (tuple, list)):
        return [x for part in tree for x in leaves(part)]
    return [np.asarray(tree)]


def arguments(tree):
    return [x if x.ndim else x.item() for x in leaves(tree)]


def close(a, b, bound):
    scale = max(map(abs, b))
    return len(a) == len(b) and max(abs(x - y) for x, y in zip(a, b)) <= bound * scale


@pytest.mark.sweep(2)
@needs_c
@pytest.mark.parametrize("name", CASES)
def test_c_program_and_loader(name, tmp_path):
    f, of, args = CASES[name]
    made = tg.export(f, *args, directory=tmp_path, of=of)
    wanted = OF[of](f)(*args)
    assert made.note == "" and made.library.is_file() and all(file.is_file() for file in made.files)
    program = tmp_path / "example"
    strict = [CC, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*strict, f"{made.name}_example.c", f"{made.name}.o", "-lm", "-o", program], cwd=tmp_path, check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert close([float(line.split()[1]) for line in printed.splitlines()], numbers(wanted), BOUND[name])
    found = tg.load(tmp_path)(*args)
    assert close(numbers(found), numbers(wanted), BOUND[name])
    assert [type(x) for x in found] == [type(x) for x in wanted]
    names = undefined((tmp_path / f"{made.name}.o").read_bytes())
    assert all(engine.in_c_library(n) or n in ("", "_GLOBAL_OFFSET_TABLE_") for n in names), names


@needs_c
def test_the_loader_needs_only_numpy(tmp_path):
    tg.export(mlp, NET, *DATA, directory=tmp_path)
    np.savez(tmp_path / "data.npz", x=DATA[0], y=DATA[1], **NET)
    code = ("import sys, numpy as np, loader\n"
            "d = np.load('data.npz'); f = loader.load('.')\n"
            "print(repr(float(f({k: d[k] for k in 'wbv'}, d['x'], d['y']))))\n"
            "assert not any(m.startswith(('tracegrad', 'llvmlite', 'numba', 'scipy')) for m in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin"})
    assert float(done.stdout) == pytest.approx(tg.jit(mlp)(NET, *DATA), rel=1e-14)


@needs_c
def test_failed_checks(tmp_path):
    made = tg.export(pick, np.arange(4.0), 2, directory=tmp_path)
    f = tg.load(tmp_path)
    assert f(np.arange(4.0), 3) == 9.0 and f(x=np.arange(4.0), i=-1) == 9.0
    with pytest.raises(IndexError, match="4") as caught:
        f(np.arange(4.0), 7)
    assert "test_export.py" in str(caught.value.__notes__)
    library = ctypes.CDLL(str(made.library))
    x, out, error = (ctypes.c_double * 4)(), ctypes.c_double(), (ctypes.c_int64 * 33)()
    code = library.pick(x, ctypes.c_int64(9), ctypes.byref(out), error)
    library.pick_message.restype = ctypes.c_char_p
    assert code == error[0] + 1 > 0 and 9 in error[:4]
    assert b"IndexError" in library.pick_message(code) and b"test_export.py" in library.pick_message(code)
    assert library.pick_message(0) == library.pick_message(1000) == b""
    assert library.pick(x, ctypes.c_int64(9), ctypes.byref(out), None) == code


@needs_c
def test_any_number_of_arguments(tmp_path):
    def f(x, *rest, scale=1.0, **more):
        return scale * sum([x, *rest, *more.values()])

    tg.export(f, 1.0, 2.0, 3.0, scale=2.0, extra=4.0, directory=tmp_path)
    assert tg.load(tmp_path)(1.0, 2.0, 3.0, extra=4.0, scale=2.0) == 20.0
    tg.export(f, 1.0, 2.0, of="grad", argnums=(0, 1), directory=tmp_path / "g")
    assert tg.load(tmp_path / "g")(1.0, 2.0) == (1.0, 1.0)


@needs_c
def test_every_kind_of_number(tmp_path):
    args = (1.0 + 2.0j, np.arange(3, dtype=np.float16), True, 3, np.int8(5))
    made = tg.export(kinds, *args, directory=tmp_path)
    found, wanted = tg.load(tmp_path)(*args), tg.jit(kinds)(*args)
    assert [type(x) for x in found] == [type(x) for x in wanted]
    for a, b in zip(found, wanted):
        np.testing.assert_array_equal(a, b, strict=True)
    subprocess.run([CC, "-c", "-Wall", "-Wextra", "-Werror", made.name + "_example.c"], cwd=tmp_path, check=True)


@needs_c
def test_shapes_layouts_and_structures(tmp_path):
    weights = np.arange(6.0).reshape(2, 3)

    def f(x, p, mode="sum", *, scale=2.0):
        y = p[0]["a"] * x.T if mode == "sum" else x.T
        return {"z": weights @ y * scale, "a": [x, None, 1.5], "flag": True, "empty": x[:0]}

    x, p = np.asfortranarray(RNG.normal(size=(2, 3)))[:, ::-1], [{"a": 2.0}]
    tg.export(f, x, p, directory=tmp_path / "default")
    tg.export(f, x, p, "other", scale=np.float32(3.0), directory=tmp_path / "given", name="g")
    for folder, rest, named in (("default", (), {}), ("given", ("other",), {"scale": np.float32(3.0)})):
        found, wanted = tg.load(tmp_path / folder)(x, p, *rest, **named), f(x, p, *rest, **named)
        assert found["flag"] is True and found["a"][1:] == [None, 1.5] and found["empty"].shape == (0, 3)
        np.testing.assert_allclose(found["z"], wanted["z"], rtol=1e-15)
        np.testing.assert_array_equal(found["a"][0], x)
    weights[:] = 0.0                                     # captured arrays are frozen
    assert np.any(tg.load(tmp_path / "default")(x, p)["z"])
    for bad in ((x[:1], p), (x.astype(np.float32), p), (x, [{"b": 2.0}]), (x,), (x, p, 1, 2)):
        with pytest.raises(TypeError):
            tg.load(tmp_path / "default")(*bad)
    with pytest.raises(TypeError, match="was other when"):
        tg.load(tmp_path / "given")(x, p, "sum", scale=np.float32(3.0))


def kick(x, v, dt, count):
    """Overwrites two arguments, and returns one of them."""
    for _ in range(count):
        v -= dt * x
        x += dt * v
    if count > 90:
        raise ValueError(f"{count} steps")
    return x, np.sum(v * v), 2.5


@needs_c
def test_arguments_that_are_overwritten(tmp_path):
    made = tg.export(kick, *np.ones((2, 5)), 0.1, 10, directory=tmp_path)
    f, data = tg.load(tmp_path), RNG.normal(size=(2, 5))
    assert "double *x," in (tmp_path / "kick.h").read_text() and "overwritten" in (tmp_path / "kick.h").read_text()
    a, b, c = data.copy(), data.copy(), np.zeros((2, 10))[:, ::2]
    c[...] = data
    wanted = tg.jit(kick)(a[0], a[1], 0.1, 10)
    for x in (b, c):
        found = f(x[0], x[1], 0.1, 10)
        np.testing.assert_array_equal(x, a)
        assert np.shares_memory(found[0], x) and found[1:] == wanted[1:]
    frozen = data.copy()
    frozen.flags.writeable = False
    with pytest.raises(TypeError, match="writable"):
        f(frozen[0], data[1], 0.1, 10)
    with pytest.raises(TypeError, match="dtype"):
        f(data[0].astype("f4"), data[1], 0.1, 10)
    with pytest.raises(ValueError, match="100 steps"):
        f(data[0], data[1], 0.1, 100)
    assert made.name == "kick"


@pytest.mark.sweep(2)
@needs_c
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_products_become_loops(dtype, tmp_path):
    """Each layout of the factors, sizes beside the blocks, a symmetric product, added products."""
    def made(*shape):
        x = RNG.normal(size=shape)
        return (x + 1j * RNG.normal(size=shape) if dtype[0] == "c" else x).astype(dtype)

    args = made(70, 130), made(130, 80), made(70, 80)
    f = lambda a, b, c: (a @ b, a.T @ c, b.T @ a.T, a @ a.T, c @ b.T, np.sum((a @ b) * c))  # noqa: E731
    tg.export(f, *args, directory=tmp_path, name="products")
    for found, wanted in zip(tg.load(tmp_path)(*args), f(*args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3 if dtype in ("f4", "c8") else 1e-11, atol=1e-3 if dtype in (
            "f4", "c8") else 1e-11)


def test_what_cannot_leave(tmp_path):
    a, rng = np.eye(3), np.random.default_rng(0)
    image = lambda x: np.fft.rfft(x)  # noqa: E731
    for f, args, says in (
            (lambda a: np.linalg.solve(a, a), (a,), "LAPACK routine dgetrf"), (image, (np.ones(8),), "NumPy's routine"),
            (lambda x: np.sort(x), (np.ones(50),), "sort"), (lambda x: x + rng.normal(), (1.0,), "random"),
            (lambda x, r: x + r.random(), (1.0, rng), "random"),
            (lambda x: print(f"{x}"), (1.0,), "print"), (lambda x: (np.sum(x), {1: x}), (a,), "str keys"),
            (lambda x, k: x, (1.0, object()), "neither"), (lambda x: special.j0(x), (1.0,), "SciPy's function"),
            (lambda x: x[x > 0], (np.ones(3),), "known only at run time")):
        with pytest.raises(tg.TracegradError, match=says):
            tg.export(f, *args, directory=tmp_path, name="f")

    def overwrites(x):
        x[0] = 1.0
        return x[1:]

    with pytest.raises(tg.ArgumentError, match="returns a part of it"):
        tg.export(overwrites, np.ones(3), directory=tmp_path)
    for named, says in (({"target": "pdp11"}, "no target"), ({"of": "jvp"}, "no of="), ({"name": "for"}, "a word of C"),
                        ({"name": "1f"}, "no name of a C"), ({"name": "exp"}, "of its own")):
        with pytest.raises(tg.ArgumentError, match=says):
            tg.export(rosenbrock, POINT, directory=tmp_path, **named)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(tg.ArgumentError, match="cannot be written to"):
        tg.export(rosenbrock, POINT, directory=tmp_path / "file")


# --- other machines ---------------------------------------------------------------------------------------------------

MACHINES = {"x86_64-linux-gnu": (2, 62), "aarch64-linux-gnu": (2, 183), "armv7-linux-gnueabihf": (1, 40),
            "riscv64-linux-gnu": (2, 243)}            # ELF class and machine


@pytest.mark.sweep(2)
@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("name", CASES)
def test_objects_of_other_machines(target, name, tmp_path):
    f, of, args = CASES[name]
    made = tg.export(f, *args, directory=tmp_path, of=of, target=target)
    binary = (tmp_path / f"{made.name}.o").read_bytes()
    linked = (tmp_path / f"{made.name}.wasm") in made.files
    assert made.library is None and linked == ("run:" not in made.note) and (target == "wasm32" or not linked)
    if target == "wasm32":
        assert binary[:4] == b"\0asm"
    else:
        assert binary[:4] == b"\x7fELF" and (binary[4], int.from_bytes(binary[18:20], "little")) == MACHINES[target]


EMULATORS = {"aarch64-linux-gnu": ("aarch64-linux-gnu-gcc", "qemu-aarch64"),
             "armv7-linux-gnueabihf": ("arm-linux-gnueabihf-gcc", "qemu-arm"),
             "riscv64-linux-gnu": ("riscv64-linux-gnu-gcc", "qemu-riscv64")}


@pytest.mark.parametrize("target", EMULATORS)
def test_other_machines_run(target, tmp_path):
    compiler, emulator = EMULATORS[target]
    cross, run = shutil.which(compiler), shutil.which(emulator) or shutil.which(emulator + "-static")
    if not (cross and run):
        pytest.skip(f"needs {compiler} and {emulator} (Debian: gcc-{compiler.removesuffix('-gcc')}, qemu-user)")
    for name, (f, of, args) in CASES.items():
        made = tg.export(f, *args, directory=tmp_path, of=of, target=target)
        built = [cross, "-static", f"{made.name}_example.c", f"{made.name}.o", "-lm", "-o", name]
        subprocess.run(built, cwd=tmp_path, check=True)
        printed = subprocess.run([run, tmp_path / name], capture_output=True, text=True, check=True).stdout
        assert close([float(line.split()[1]) for line in printed.splitlines()], numbers(OF[of](f)(*args)), 1e-13)


def _module(tmp_path, made):
    """An instance of a linked WebAssembly module, with the functions of the C library that it asks for."""
    wasmtime = pytest.importorskip("wasmtime", reason="needs the wasmtime wheel")
    if made.note:
        pytest.skip(made.note)
    store = wasmtime.Store()
    module = wasmtime.Module.from_file(store.engine, str(tmp_path / f"{made.name}.wasm"))
    room = []

    def moved(to, start, count):
        room[1].write(store, room[1].read(store, start, start + count), to)
        return to

    def filled(to, byte, count):
        room[1].write(store, bytes([byte & 255]) * count, to)
        return to

    def taken(count):
        place = room[0]
        room[0] += -(-count // 64) * 64
        return place

    library = {"malloc": taken, "free": lambda p: None, "memcpy": moved, "memmove": moved, "memset": filled, "tanh": math.tanh}
    imports = [wasmtime.Func(store, i.type, library[i.name]) for i in module.imports]
    exports = wasmtime.Instance(store, module, imports).exports(store)
    room[:] = [exports["__heap_base"].value(store), exports["memory"]]
    return store, exports, taken


@pytest.mark.parametrize("name", CASES)
def test_webassembly_runs(name, tmp_path):
    f, of, args = CASES[name]
    made = tg.export(f, *args, directory=tmp_path, of=of, target="wasm32")
    store, exports, taken = _module(tmp_path, made)
    memory, passed, places = exports["memory"], [], []
    memory.grow(store, 16)
    for x in arguments(args):
        if isinstance(x, float):
            passed.append(x)
            continue
        passed.append(taken(x.nbytes))
        memory.write(store, np.ascontiguousarray(x).tobytes(), passed[-1])
    wanted = leaves(OF[of](f)(*args))
    for x in wanted:
        places.append(taken(x.nbytes))
    assert exports[made.name](store, *passed, *places, 0) == 0
    for place, x in zip(places, wanted):
        found = np.frombuffer(memory.read(store, place, place + x.nbytes), x.dtype).reshape(x.shape)
        np.testing.assert_allclose(found, x, rtol=1e-12, atol=1e-15)


# --- the command --------------------------------------------------------------------------------------------------------


def test_command(tmp_path, capsys):
    file = __file__
    given = [f"{file}:rosenbrock", "--args", "f64[5]", "-o", str(tmp_path)]
    assert main(["export", *given, "--of", "grad", "--name", "slope"]) == 0
    assert "slope.h" in capsys.readouterr().out and (tmp_path / "slope.o").is_file()
    assert main(["export", *given, "--target", "riscv64-linux-gnu"]) == 0
    assert "note: the object is not linked" in capsys.readouterr().out
    assert main(["export", f"{file}:nothing", "-o", str(tmp_path)]) == 2
    assert main(["export", f"{file}:rosenbrock", "-o", str(tmp_path)]) == 2
    assert main(["export", *given, "--of", "grad", "--argnums", "x"]) == 2
    assert main(["export", *given, "--name", "1x"]) == 2
    with pytest.raises(SystemExit) as stopped:
        main(["export", *given, "--target", "pdp11"])
    assert stopped.value.code == 2


@pytest.mark.sweep(2, days=True)
@needs_c
def test_build_files(tmp_path):
    made = tg.export(rosenbrock, np.array([1.0, math.inf, math.nan]), directory=tmp_path)
    if shutil.which("pkg-config"):
        asked = ["pkg-config", "--cflags", "--libs", f"{tmp_path}/{made.name}.pc"]
        flags = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        subprocess.run([CC, tmp_path / f"{made.name}_example.c", *flags, "-o", tmp_path / "a"], check=True)
        assert "nan" in subprocess.run([tmp_path / "a"], capture_output=True, text=True, check=True).stdout
    if shutil.which("cmake"):
        subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build"], check=True, capture_output=True)
        subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, capture_output=True)
        assert (tmp_path / "build" / f"{made.name}_example").is_file()


def test_without_a_linker(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    if importlib.util.find_spec("ziglang"):
        pytest.skip("ziglang links")
    made = tg.export(rosenbrock, POINT, directory=tmp_path / "out")
    assert made.library is None and "cc -shared -o librosenbrock.so" in made.note
    with pytest.raises(FileNotFoundError, match="cc -shared"):
        tg.load(tmp_path / "out")
