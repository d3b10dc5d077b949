"""Thirty seconds of what tests/nightly/soak.py does for ten minutes: threads that call, compile, evict, change and fork."""
import pathlib
import subprocess
import sys

SOAK = pathlib.Path(__file__).parents[1] / "nightly" / "soak.py"


def test_half_a_minute_of_everything_at_once():
    done = subprocess.run([sys.executable, SOAK, "--seconds", "30"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert "0 failures" in done.stdout
