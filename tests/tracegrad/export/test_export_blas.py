"""Products of matrices as calls of CBLAS: with one of a few lines of C, and with the system's where there is one."""
import ctypes
import ctypes.util
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from tracegrad.lowering.aot.needed import needed

import tracegrad as tg
from tracegrad.cli import main

CC = shutil.which("gcc") or shutil.which("cc")
needs_c = pytest.mark.skipif(CC is None, reason="there is no C compiler")
RNG = np.random.default_rng(0)

# The reference: column-major, the letters and numbers of cblas.h.
CBLAS = """
#include <complex.h>
#include <stddef.h>
#define AT(x, t, ld, i, j) ((t) == 111 ? (x)[(i) + (size_t)(ld) * (j)] : (x)[(j) + (size_t)(ld) * (i)])
#define ROUTINES(P, T, NUMBER, READ)                                                                                   \\
void cblas_##P##gemm(int o, int ta, int tb, int m, int n, int k, NUMBER alpha, const T *a, int lda, const T *b, int ldb, \\
                     NUMBER beta, T *c, int ldc) {                                                                     \\
    for (int j = 0; o == 102 && j < n; j++) for (int i = 0; i < m; i++) {                                              \\
        T sum = 0;                                                                                                     \\
        for (int l = 0; l < k; l++) sum += AT(a, ta, lda, i, l) * AT(b, tb, ldb, l, j);                                \\
        T *to = &c[i + (size_t)ldc * j];                                                                               \\
        *to = READ(alpha) * sum + (READ(beta) == 0 ? 0 : READ(beta) * *to);                                            \\
    }                                                                                                                  \\
}                                                                                                                      \\
void cblas_##P##syrk(int o, int uplo, int trans, int n, int k, NUMBER alpha, const T *a, int lda, NUMBER beta,      \\
                     T *c, int ldc) {                                                                                  \\
    for (int j = 0; o == 102 && j < n; j++) for (int i = uplo == 121 ? 0 : j; i < (uplo == 121 ? j + 1 : n); i++) {    \\
        T sum = 0;                                                                                                     \\
        for (int l = 0; l < k; l++) sum += AT(a, trans, lda, i, l) * AT(a, trans, lda, j, l);                          \\
        T *to = &c[i + (size_t)ldc * j];                                                                               \\
        *to = READ(alpha) * sum + (READ(beta) == 0 ? 0 : READ(beta) * *to);                                            \\
    }                                                                                                                  \\
}
#define VALUE(x) (x)
#define THERE(T) *(const T *)
ROUTINES(s, float, float, VALUE)
ROUTINES(d, double, double, VALUE)
ROUTINES(c, float complex, const void *, THERE(float complex))
ROUTINES(z, double complex, const void *, THERE(double complex))
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder with a library libsmallblas.so."""
    folder = tmp_path_factory.mktemp("blas")
    (folder / "small.c").write_text(CBLAS)
    subprocess.run([CC, "-O1", "-shared", "-fPIC", "small.c", "-o", "libsmallblas.so"], cwd=folder, check=True)
    return folder


def products(a, b, c):
    return a @ b, a.T @ c, b.T @ a.T, a @ a.T, c @ b.T, np.sum((a @ b) * c), a[2:40] @ b[:, 3:9] + 2.0 * c[2:40, :6]


def made(dtype, *shape):
    x = RNG.normal(size=shape)
    return (x + 1j * RNG.normal(size=shape) if dtype[0] == "c" else x).astype(dtype)


def the_files_name_the_library(made, library):
    text = {file.name: file.read_text() for file in made.files if file.suffix in (".h", ".pc", ".txt")}
    assert f"-l{library} -lm. It calls: cblas_" in text[f"{made.name}.h"]
    assert f"-l{library} -lm" in text[f"{made.name}.pc"] and f"INTERFACE {library} m)" in text["CMakeLists.txt"]


@pytest.mark.sweep(2)
@needs_c
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_products_are_calls(dtype, small, tmp_path, monkeypatch):
    monkeypatch.setenv("LIBRARY_PATH", str(small))
    ctypes.CDLL(str(small / "libsmallblas.so"), mode=ctypes.RTLD_GLOBAL)
    args = made(dtype, 70, 90), made(dtype, 90, 50), made(dtype, 70, 50)
    written = tg.export(products, *args, directory=tmp_path, blas="smallblas")
    assert written.note == ""
    assert {n for n in needed((tmp_path / "products.o").read_bytes()) if n.startswith("cblas_")} >= {
        f"cblas_{ {'f4': 's', 'f8': 'd', 'c8': 'c', 'c16': 'z'}[dtype] }gemm"}
    the_files_name_the_library(written, "smallblas")
    bound = 1e-4 if dtype in ("f4", "c8") else 1e-12
    for found, wanted in zip(_loaded(tmp_path, small)(*args), products(*args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=bound, atol=bound * np.max(np.abs(wanted)))


def _loaded(folder, library):
    """The loader's function: the dynamic linker has the library, which was loaded by its path, under no name of its own."""
    subprocess.run([CC, "-shared", "-o", folder / "libproducts.so", folder / "products.o", f"-L{library}", "-lsmallblas", "-lm",
                    f"-Wl,-rpath,{library}"], check=True)
    return tg.load(folder)


def system_blas():
    """The name of an installed CBLAS, or None."""
    for name in filter(None, [os.environ.get("TRACEGRAD_TEST_BLAS"), "openblas", "cblas", "blas"]):
        done = subprocess.run([CC, "-x", "c", "-", f"-l{name}", "-o", os.devnull], text=True, check=False, capture_output=True,
                              input="void cblas_dgemm(void); int main(void) { cblas_dgemm(); return 0; }")
        if done.returncode == 0:
            return name
    return None


@needs_c
def test_with_the_systems_library(tmp_path):
    library = system_blas()
    if library is None:
        pytest.skip("no CBLAS is installed (Debian: libopenblas-dev)")
    args = made("f8", 60, 64), made("f8", 64, 50), made("f8", 60, 50)
    written = tg.export(products, *args, directory=tmp_path, blas=library)
    the_files_name_the_library(written, library)
    subprocess.run([CC, "products_example.c", "products.o", f"-l{library}", "-lm", "-o", "a"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "a"], capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = np.concatenate([np.ravel(x) for x in products(*args)])
    np.testing.assert_allclose([float(line.split()[1]) for line in printed], wanted, atol=1e-11)


def test_the_header_names_all_that_is_called(tmp_path):
    """Also what LLVM calls by itself, on each kind of object file."""
    f = lambda x: np.sum(np.log(np.exp(x) + np.sin(x) ** 2))  # noqa: E731
    for target in ("host", "x86_64-linux-gnu", "armv7-linux-gnueabihf", "riscv64-linux-gnu", "wasm32"):
        tg.export(f, np.ones(5), directory=tmp_path, name="f", target=target)
        called = re.search(r"It calls: (.*)\.\n", (tmp_path / "f.h").read_text())[1].split(", ")
        assert called == list(needed((tmp_path / "f.o").read_bytes())) or called == ["nothing"]
        assert target == "host" or "log" in called
    if CC and shutil.which("nm"):
        tg.export(f, np.ones(5), directory=tmp_path, name="f")
        listed = subprocess.run(["nm", "-u", tmp_path / "f.o"], capture_output=True, text=True, check=True).stdout
        names = {line.split()[-1] for line in listed.splitlines()} - {"_GLOBAL_OFFSET_TABLE_"}
        assert names == set(needed((tmp_path / "f.o").read_bytes()))


def test_no_library_where_none_is_called(tmp_path):
    tg.export(lambda x: np.sum(x * x), np.ones(3), directory=tmp_path, name="f", blas="openblas", target="wasm32")
    assert "-lopenblas" not in (tmp_path / "f.pc").read_text()
    with pytest.raises(tg.ArgumentError, match="openblas"):
        tg.export(lambda x: x, 1.0, directory=tmp_path, name="f", blas="-lfoo")
    assert main(["export", f"{__file__}:products", "--args", "f64[70,90], f64[90,50], f64[70,50]", "--blas", "openblas",
                 "--target", "aarch64-linux-gnu", "-o", str(tmp_path)]) == 0
    assert "cblas_dgemm" in (tmp_path / "products.h").read_text()
