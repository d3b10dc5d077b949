"""Signals at any moment, and forks while another thread compiles. Each in a process of its own."""
import subprocess
import sys
import textwrap

import pytest

HEAD = """
import gc, os, random, signal, sys, threading, time
import numpy as np
import tracegrad as tg

def interrupt(number, frame):
    raise KeyboardInterrupt
"""


@pytest.fixture
def outcome(tmp_path):
    """What a program prints."""
    def run(code: str) -> str:
        file = tmp_path / "program.py"
        file.write_text(HEAD + textwrap.dedent(code))
        done = subprocess.run([sys.executable, "-X", "faulthandler", file], capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
        return done.stdout
    return run


@pytest.mark.sweep(3)
@pytest.mark.parametrize("kind", ["executionengine.ExecutionEngine", "module.ModuleRef", "context.ContextRef", "ffi.ObjectRef"])
def test_signal_while_an_object_is_freed(outcome, kind):
    """Between the call that frees it and the note that it is free. The interrupt comes out, and nothing is freed twice."""
    assert outcome(f"""
        from llvmlite import binding
        from llvmlite.binding import context, executionengine, ffi, module
        signal.signal(signal.SIGINT, interrupt)
        tg.jit(lambda x: x + 1.0)(1.0)
        detach, armed = ffi.ObjectRef.detach, [1]
        def interrupted(self):
            if isinstance(self, {kind}) and armed:
                armed.clear()
                signal.raise_signal(signal.SIGINT)
            detach(self)
        ffi.ObjectRef.detach = interrupted
        try:
            f = tg.jit(lambda x: np.sin(x) * 2.0)
            f(1.0)
            f.cache_clear()
        except KeyboardInterrupt:
            print("interrupted")
        for k in range(5):
            tg.jit(lambda x: x + k)(1.0)
            gc.collect()
        print("alive", not armed)
    """) == "interrupted\nalive True\n"


@pytest.mark.sweep(3, days=True)
def test_signals_at_random_moments(outcome):
    """Of tracing, compiling and freeing, by a timer; also in another thread's compilations afterwards."""
    found = outcome("""
        def again(number, frame):         # Python drops what is raised in a finaliser: another signal follows
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, again)
        draw, count, end = random.Random(1), 0, time.time() + 4
        def work():
            def f(x):
                for k in range(3):
                    x = np.sin(x) + k if x.sum() > 0 else np.cumsum(x)
                return x.sum()
            with tg.config(cache_size=3):
                return tg.grad(f)(np.ones(3))
        want = work()
        while time.time() < end:
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-4, 0.06))
                while True:
                    work()
            except KeyboardInterrupt:
                signal.setitimer(signal.ITIMER_REAL, 0)
                count += 1
        assert tg.config.cache_size != 3
        got = []
        thread = threading.Thread(target=lambda: got.append(work()), daemon=True)
        thread.start()
        thread.join(60)
        assert np.array_equal(got[0], want) and np.array_equal(work(), want)
        print(count)
    """)
    assert int(found) > 5


@pytest.mark.sweep(2, days=True)
def test_handlers_are_the_users_own_afterwards(outcome):
    assert outcome("""
        seen = []
        signal.signal(signal.SIGINT, lambda n, f: seen.append(n))
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        before = [signal.getsignal(s) for s in signal.valid_signals()]
        tg.jit(lambda x: x + 1.0)(1.0)
        assert before == [signal.getsignal(s) for s in signal.valid_signals()]
        from tracegrad.lowering.native.object_code import LOCK
        with LOCK, LOCK:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert not seen
        print(len(seen))
    """) == "2\n"


@pytest.mark.sweep(2, days=True)
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork")
def test_fork_while_another_thread_compiles(outcome):
    assert outcome("""
        import warnings
        warnings.simplefilter("ignore")
        stop = []
        def work():
            k = 0
            while not stop:
                k += 1
                tg.jit(lambda x: np.sin(x) * k + np.cumsum(x))(np.ones(3))
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.3)
        failed = 0
        for k in range(3):
            pid = os.fork()
            if not pid:
                signal.alarm(40)
                good = tg.jit(lambda x: x + 2.0)(1.0) == 3.0 and tg.grad(lambda x: x * x)(1.0) == 2.0
                os._exit(not good)
            failed += os.waitpid(pid, 0)[1] != 0
            tg.jit(lambda x: x - k)(1.0)
        stop.append(1)
        thread.join()
        print(failed)
    """) == "0\n"


@pytest.mark.sweep(2, days=True)
def test_signals_in_the_middle_of_a_parallel_loop(outcome):
    """An exception of the handler comes out, whichever chunk runs, and the pool serves again; a handler may call, and fork."""
    assert outcome("""
        from tracegrad.lowering.native import threads

        @tg.jit
        def orbits(x, m):
            out = np.empty(len(x))
            for i in range(len(x)):
                s, k = x[i], 0
                while s < 2.0 and k < m:
                    s = np.sin(s) + 0.1
                    k += 1
                out[i] = s
            return out

        tg.config.threads = 3
        x = np.linspace(0.0, 1.0, 999)
        assert "parallel for" in orbits.lower(x, 10).text("loops")
        expected = orbits(x, 1000)
        signal.signal(signal.SIGALRM, interrupt)
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            try:
                orbits(x, 10 ** 9)
            except KeyboardInterrupt:
                print("interrupted")
            assert (orbits(x, 1000) == expected).all()

        def handler(number, frame):
            assert (orbits(x, 1000) == expected).all()
            pid = os.fork()
            if not pid:
                os._exit(0 if (orbits(x, 1000) == expected).all() else 1)
            print("child", os.waitpid(pid, 0)[1])

        signal.signal(signal.SIGALRM, handler)
        long = tg.jit(orbits)(x, 30000)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert (orbits(x, 30000) == long).all()
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(threads.workers())
    """) == "interrupted\ninterrupted\ninterrupted\nchild 0\n2\n"


@pytest.mark.sweep(2, days=True)
def test_a_fork_waits_for_every_lock(outcome):
    """Whatever module has a lock has told the fork of it; a child calls while a thread of its parent had one."""
    assert outcome("""
        import tracegrad.jitted.c_functions, tracegrad.jacobians.sparsity
        from tracegrad.captures import closures
        from tracegrad.lowering.native import locks
        from tracegrad import progress, stack_room
        known = {id(lock) for _, lock in locks._locks}
        kinds = type(threading.Lock()), type(threading.RLock())
        held = [(name, key) for name, m in list(sys.modules.items()) if name.startswith("tracegrad") and m is not progress
                for key, x in vars(m).items() if isinstance(x, kinds) and id(x) not in known]
        assert not held, held
        for lock in (closures._LOCK, stack_room._lock):
            taken = threading.Event()
            def hold():
                with lock:
                    taken.set()
                    time.sleep(0.2)
            thread = threading.Thread(target=hold)
            thread.start()
            taken.wait()
            pid = os.fork()
            if not pid:
                signal.alarm(60)
                os._exit(tg.jit(lambda x: x + 2.0)(1.0) != 3.0)
            print(os.waitpid(pid, 0)[1])
            thread.join()
    """) == "0\n0\n"


def test_an_interrupt_in_the_middle_of_a_long_compilation(outcome):
    """It comes out at once; the library goes on, and a fork waits for what still runs."""
    lines = "\n".join(f"            a = np.sin(a * {k + 2}.0) + np.cumsum(a) / (2.0 + np.abs(a))" for k in range(12))
    out = outcome(f"""
        from tracegrad.lowering.native import object_code
        signal.signal(signal.SIGALRM, interrupt)
        def f(x):
            a = x
{lines}
            return a.sum()
        begun, start = [], object_code._Job.__init__
        def noted(self, *rest):
            start(self, *rest)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            begun.append(time.perf_counter())
        object_code._Job.__init__ = noted
        gradient = tg.grad(f)
        try:
            gradient(np.ones(50))
        except KeyboardInterrupt:
            print("interrupted", time.perf_counter() - begun[0] < 1.0)
        object_code._Job.__init__ = start
        pid = os.fork()
        if not pid:
            os._exit(bool(object_code._jobs) or tg.grad(lambda x: x * x)(3.0) != 6.0)
        print(os.waitpid(pid, 0)[1])
        assert np.isfinite(gradient(np.ones(50))).all()
        print(len(object_code._jobs))
    """)
    assert out == "interrupted True\n0\n0\n"
