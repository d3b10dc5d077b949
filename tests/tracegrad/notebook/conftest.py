"""A real IPython shell for tests; those that need it are skipped, and say why, where IPython is not installed."""
import pytest


class Cells:
    """Runs cells, and says what they printed, what they displayed and what they failed with."""

    def __init__(self, shell, capsys):
        self.shell, self.capsys, self.displayed = shell, capsys, []

    def __call__(self, cell):
        """What the last expression of a cell is. Raises what the cell raises."""
        done = self.shell.run_cell(cell, store_history=True)
        done.raise_error()
        return done.result

    def printed(self, cell):
        self.capsys.readouterr()
        self(cell)
        return self.capsys.readouterr().out

    def failed(self, cell):
        """(the error, what a user sees of it)."""
        self.capsys.readouterr()
        done = self.shell.run_cell(cell, store_history=True)
        out, err = self.capsys.readouterr()
        assert not done.success
        return done.error_in_exec or done.error_before_exec, (out + err).strip()


@pytest.fixture
def cells(capsys, monkeypatch):
    pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    shell.colors, shell.history_manager.enabled = "nocolor", False
    shell.reset(new_session=True)
    # As in a notebook, where this shell's module has the name of the main one.
    shell.user_ns["__name__"] = "__main__"
    ran = Cells(shell, capsys)
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, *_, **__: ran.displayed.append(data))
    ran("import numpy as np\nimport tracegrad as tg\n%reload_ext tracegrad")
    yield ran
    ran("%unload_ext tracegrad")
