"""The pool: every chunk runs once, whoever calls: several Python threads, a signal's handler, a process after a fork."""
import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tracegrad.ir.ops.checks import REPORTED_WORDS
from tracegrad.lowering.native import engine, threads

# adds 1 to each element; fails at the elements that are -1, and reports their position
_BODY = threads.LAUNCH + """
define internal i32 @body(ptr %x, i64 %from, i64 %to, i64 %chunk, i1 %asks, ptr %error) {
start:
  br label %each
each:
  %i = phi i64 [%from, %start], [%next, %on]
  %p = getelementptr i64, ptr %x, i64 %i
  %old = load i64, ptr %p
  %bad = icmp eq i64 %old, -1
  br i1 %bad, label %fail, label %on
on:
  %new = add i64 %old, 1
  store i64 %new, ptr %p
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %to
  br i1 %more, label %each, label %done
fail:
  store i64 %i, ptr %error
  ret i32 1
done:
  ret i32 0
}
define i32 @run(ptr %x, i64 %trip, i64 %length, ptr %error) {
  %code = call i32 @threads.launch(ptr @body, ptr %x, i64 %trip, i64 %length, i64 0, ptr %error)
  ret i32 %code
}
"""


@pytest.fixture(scope="module")
def launch():
    code = engine.compile_module(_BODY, optimize=False)
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    run = kind(code.address("run"))

    def call(x, length):
        error = np.full(1 + REPORTED_WORDS, -9)
        return run(x.ctypes.data, x.size, length, error.ctypes.data), error[0]

    yield call
    code.close()


@pytest.fixture(autouse=True)
def restored():
    yield
    threads.use(None)
    threads.use_here(None)
    threads.shuffle(0)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_iteration_runs_once(launch, count):
    threads.use(count)
    for size in (0, 1, 2, 63, 64, 65, 1000):
        for length in (1, 7, 64, 2000):
            x = np.arange(size)
            for _ in range(5):
                assert launch(x, length) == (0, -9)
            assert (x == np.arange(size) + 5).all()
    assert threads.workers() >= count - 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_first_failure_in_the_order_of_the_loop_is_reported(launch, count):
    threads.use(count)
    for seed in range(60):
        x = np.zeros(500, np.int64)
        bad = np.random.default_rng(seed).integers(0, 500, 5)
        x[bad] = -1
        assert launch(x, 9) == (1, min(bad))


def test_in_any_order(launch):
    for seed in range(1, 20):
        threads.shuffle(seed)
        x = np.zeros(77, np.int64)
        assert launch(x, 3)[0] == 0 and (x == 1).all()
        x[[40, 70]] = -1
        assert launch(x, 3) == (1, 40)


def test_python_threads_call_at_once(launch):
    threads.use(3)

    def work(k):
        x = np.full(200, k)
        for _ in range(300):
            assert launch(x, 5)[0] == 0
        return (x == k + 300).all()

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(24)))


def test_processes_side_by_side_share_the_cores(monkeypatch):
    found = {}
    for text in ("1", "1,4", "100000", "0", "many", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        found[text] = threads.cores.__wrapped__()
    assert found["1"] == found["1,4"] == 1 and len({found[text] for text in ("100000", "0", "many", "")}) == 1


def test_a_number_for_one_thread(launch):
    threads.use(3)
    threads.use_here(1)
    seen = []
    other = threading.Thread(target=lambda: seen.append(threads._call("allowed")))
    other.start()
    other.join()
    assert threads._call("allowed") == 1 and seen == [3]
    threads.use_here(None)
    assert threads._call("allowed") == 3


@pytest.mark.sweep(2, days=True)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_after_a_fork_the_child_has_workers_of_its_own(launch):
    threads.use(3)
    x = np.zeros(1000, np.int64)
    stop, loops = threading.Event(), []

    def busy():
        y = np.zeros(300, np.int64)
        while not stop.is_set():
            loops.append(launch(y, 3)[0])

    other = threading.Thread(target=busy)
    other.start()
    try:
        for _ in range(10):
            assert launch(x, 10)[0] == 0
            pid = os.fork()
            if not pid:
                alone = threads.workers() == 0
                fine = all(launch(x, 10)[0] == 0 for _ in range(20)) and (x == x[0]).all()
                os._exit(0 if alone and fine and threads.workers() == 2 else 1)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        other.join()
    assert not any(loops)
