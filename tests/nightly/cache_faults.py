"""The disk cache in all states that it should not be in: `python tests/nightly/cache_faults.py [--step 64] [--processes 200]`.

Each file of a compiled gradient (the call's, its code's, its source's) is cut at every 64th byte, and each byte of its header
is flipped; then it is empty, of another version, unreadable, a link, a folder; the folder is read-only, full, and writable by
others. Each time the function is made anew, called, and must be right, and nothing but a line of the log may tell. At last 200
processes that call, compile, prune and clear are killed at random moments, and what they leave must serve. The exit code is 1
where a result was wrong or anything was raised. tests/lowering/cache/test_files.py has the same of single files, in small.
"""
from __future__ import annotations

import argparse
import errno
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings

import numpy as np
from tracegrad.lowering.cache import files

import tracegrad as tg

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from disk import module, origin

PROGRAM = "import numpy as np\nimport tracegrad as tg\nRATE = 0.5\nf = tg.grad(lambda x: np.sum(np.exp(x * RATE) * x))\n"
X = np.arange(3.0)
EXPECTED = np.exp(X * 0.5) * (1 + 0.5 * X)
MANY = """
import numpy as np
import tracegrad as tg
def made(k):
    return tg.grad(lambda x: np.sum(np.sin(x) * x) * k)
"""


class Faults:
    """Counts what was tried, and collects what went wrong."""

    def __init__(self, home: pathlib.Path):
        self.home, self.folder = home, home / "cache"
        self.tried, self.wrong = 0, []

    def call(self, what: str, among: tuple[str, ...] = ("compiled",)) -> None:
        """Make the function anew and call it; where its kernel may come from."""
        self.tried += 1
        try:
            f = module(self.home, PROGRAM).f
            np.testing.assert_allclose(f(X), EXPECTED, rtol=1e-14)
            if origin(f) not in among:
                self.wrong.append(f"{what}: the kernel is {origin(f)}")
        except BaseException as error:
            self.wrong.append(f"{what}: {type(error).__name__}: {error}")

    def entries(self) -> list[pathlib.Path]:
        return sorted(p for p in self.folder.iterdir() if p.suffix in files.SUFFIXES)

    def restore(self, whole: dict[pathlib.Path, bytes]) -> None:
        for path in self.folder.iterdir():
            if path not in whole:
                path.unlink() if not path.is_dir() or path.is_symlink() else path.rmdir()
        for path, data in whole.items():
            if path.is_symlink() or path.is_dir():
                path.unlink() if path.is_symlink() else path.rmdir()
            path.write_bytes(data)
            path.chmod(0o600)

    def damaged(self, step: int) -> None:
        """Each file, cut and flipped. Without its `.call` file a call is traced; the other two do not decide where a kernel
        came from: code is compiled again where it is needed, and the source is only shown to users."""
        self.call("first")
        self.call("second", ("disk",))
        whole = {p: p.read_bytes() for p in self.entries()}
        for path, data in whole.items():
            among = ("compiled",) if path.suffix == ".call" else ("compiled", "disk")
            head = files._HEAD.size
            fields = head + files._HEAD.unpack_from(data)[2]
            cases = [(f"cut to {k}", data[:k]) for k in range(0, len(data), step)]
            cases += [(f"byte {k} flipped", data[:k] + bytes([data[k] ^ 0x10]) + data[k + 1:])
                      for k in [*range(head), *range(head, fields, max(1, step // 8))]]
            cases += [("version", data[:8] + (files.VERSION + 7).to_bytes(4, "little") + data[12:]), ("longer", data + b"\0")]
            for what, bad in cases:
                path.write_bytes(bad)
                self.call(f"{path.suffix} {what}", among)
                self.restore(whole)
        for path, data in whole.items():
            self.places(path, data)
            self.restore(whole)
        self.call("restored", ("disk",))

    def places(self, path: pathlib.Path, data: bytes) -> None:
        """A file that is no ordinary file of this user."""
        among = ("compiled",) if path.suffix == ".call" else ("compiled", "disk")
        path.chmod(0)
        self.call(f"{path.suffix} unreadable", ("compiled", "disk") if os.geteuid() == 0 else among)       # root reads all
        path.unlink()
        path.mkdir()
        self.call(f"{path.suffix} is a folder", among)
        path.rmdir()
        elsewhere = self.home / "elsewhere"
        elsewhere.write_bytes(data)
        path.symlink_to(elsewhere)
        self.call(f"{path.suffix} is a link", among)
        path.unlink()

    def folders(self) -> None:
        """A folder that cannot be used."""
        either = ("compiled", "disk")
        unsafe = ("compiled",)
        for mode, among in ((0o500, either), (0o777, unsafe), (0o770, unsafe), (0o1777, unsafe), (0o000, either)):
            self.folder.chmod(mode)
            self.call(f"folder of mode {mode:o}", among)
        self.folder.chmod(0o700)
        for path in self.entries():
            path.unlink()
        real = os.write
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            def full(fd: int, data: bytes, code: int = code) -> int:
                raise OSError(code, os.strerror(code))
            os.write = full
            try:
                self.call(f"writing fails: {os.strerror(code)}")
                self.call(f"writing failed: {os.strerror(code)}")
            finally:
                os.write = real
        self.call("room again")
        self.call("found again", ("disk",))

    def killed(self, count: int, seed: int) -> None:
        """Processes that are killed at random moments; some of them end by themselves, which must be well."""
        draw, running, ended = random.Random(seed), [], 0
        for k in range(count):
            pid = os.fork()
            if not pid:
                self.child(k)
            running.append((pid, time.monotonic() + draw.uniform(0.01, 1.5)))
            while len(running) >= 4 or (k == count - 1 and running):
                pid, when = running.pop(0)
                time.sleep(max(0.0, when - time.monotonic()))
                os.kill(pid, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                self.tried += 1
                ended += status == 0
                if status not in (0, -signal.SIGKILL):
                    self.wrong.append(f"a process ended with {status}")
        print(f"{count} processes, {count - ended} of them killed")
        for _ in range(2):
            for n in range(4):
                f = module(self.home, MANY, "last").made(n)
                np.testing.assert_allclose(f(X), n * (np.cos(X) * X + np.sin(X)), rtol=1e-14)
        self.wrong += [f"left behind: {name}: {what}" for name, what in tg.cache.verify() if what]

    def child(self, seed: int) -> None:
        draw, self.home = random.Random(seed), self.home / f"home{seed}"     # files of its own, folder and functions in common
        self.home.mkdir()
        try:
            for _ in range(20):
                n = draw.randrange(4)
                f = module(self.home, MANY, f"many{seed % 5}").made(n)
                if not np.allclose(f(X), n * (np.cos(X) * X + np.sin(X)), rtol=1e-13):
                    os._exit(3)
                if draw.random() < 0.1:
                    draw.choice((tg.cache.clear, lambda: tg.cache.prune(30_000)))()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=64)
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as where:
        home = pathlib.Path(where)
        sys.path.insert(0, where)
        tg.config.update("cache", str(home / "cache"))
        faults, start = Faults(home), time.monotonic()
        faults.damaged(options.step)
        faults.folders()
        print(f"{faults.tried:,} damaged states in {time.monotonic() - start:.0f} s, {len(faults.wrong)} wrong")
        faults.killed(options.processes, options.seed)
    print("\n".join(faults.wrong), file=sys.stderr)
    sys.exit(bool(faults.wrong))


if __name__ == "__main__":
    main()
