"""Files of the disk cache: whatever is wrong with one, there is no such file, and the log says why."""
import errno
import logging
import multiprocessing
import os
import random
import signal
import stat
import struct
import time

import pytest
from tracegrad.lowering.cache import files
from tracegrad.lowering.cache import folder as folders

NAME = "0" * 40 + ".code"
FIELDS, PARTS = {"text": "π", "n": [1, None]}, [b"abc" * 100, b"", bytes(range(256))]


@pytest.fixture
def folder(tmp_path, monkeypatch, caplog):
    where = tmp_path / "cache"
    monkeypatch.setattr(folders, "_locate", lambda: str(where))
    monkeypatch.setattr(folders, "_said", set())
    monkeypatch.setattr(files, "_total", {})
    caplog.set_level(logging.INFO, "tracegrad.cache")
    return where


def test_what_is_written_is_read(folder):
    assert files.read(NAME) is None
    assert files.write(NAME, FIELDS, PARTS)
    assert files.read(NAME) == (FIELDS, PARTS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert files.write(NAME, {}, []) and files.read(NAME) == ({}, [])
    assert [p.name for p in folder.iterdir()] == [NAME]


def _is_refused(folder, data, caplog):
    (folder / NAME).write_bytes(data)
    caplog.clear()
    assert files.read(NAME) is None
    assert f"cache entry {NAME} is not used" in caplog.text


def test_cut_at_every_length(folder, caplog):
    files.write(NAME, FIELDS, PARTS)
    whole = (folder / NAME).read_bytes()
    for size in [*range(0, len(whole), 16), len(whole) - 1]:
        _is_refused(folder, whole[:size], caplog)
    _is_refused(folder, whole + b"\0", caplog)


def test_every_byte_flipped(folder, caplog):
    files.write(NAME, FIELDS, PARTS)
    whole = (folder / NAME).read_bytes()
    for at in [*range(160), *range(160, len(whole), 41), len(whole) - 1]:
        _is_refused(folder, whole[:at] + bytes([whole[at] ^ 0x21]) + whole[at + 1:], caplog)


def test_another_version_and_another_name(folder, caplog):
    files.write(NAME, FIELDS, PARTS)
    whole = (folder / NAME).read_bytes()
    _is_refused(folder, whole[:8] + struct.pack("<I", files.VERSION + 1) + whole[12:], caplog)
    assert "version" in caplog.text
    other = "1" * 40 + ".code"
    (folder / other).write_bytes(whole)
    assert files.read(other) is None and "checksum" in caplog.text


def test_lengths_that_lie_are_no_reason_to_fail(folder, caplog):
    for fields in (b"[]", b"{}", b'{"parts":3}', b'{"parts":["a"]}', b"\xff", b'{"parts":[1e400]}', b"["):
        head = files._HEAD.pack(files.MAGIC, files.VERSION, len(fields), 2, files._checksum(NAME, fields, b"ab"))
        folder.mkdir(exist_ok=True, mode=0o700)
        _is_refused(folder, head + fields + b"ab", caplog)


def test_a_link_a_folder_a_pipe_and_a_file_of_others(folder, tmp_path, caplog):
    files.write(NAME, FIELDS, PARTS)
    (folder / NAME).rename(tmp_path / "elsewhere")
    (folder / NAME).symlink_to(tmp_path / "elsewhere")
    assert files.read(NAME) is None and NAME in caplog.text
    (folder / NAME).unlink()
    (folder / NAME).mkdir()
    assert files.read(NAME) is None
    assert not files.write(NAME, FIELDS, PARTS)
    (folder / NAME).rmdir()
    os.mkfifo(folder / NAME)
    assert files.read(NAME) is None
    (folder / NAME).unlink()
    files.write(NAME, FIELDS, PARTS)
    (folder / NAME).chmod(0o666)
    assert files.read(NAME) is None and "other users" in caplog.text
    assert [p.name for p in folder.iterdir()] == [NAME]


def test_a_folder_that_others_may_write_to(folder, caplog):
    files.write(NAME, FIELDS, PARTS)
    for mode in (0o777, 0o770, 0o1777, 0o702):
        folder.chmod(mode)
        assert files.read(NAME) is None and not files.write(NAME, FIELDS, PARTS)
    assert "other users may write to it" in caplog.text
    folder.chmod(0o755)
    assert files.read(NAME) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user(folder, caplog):
    files.write(NAME, FIELDS, PARTS)
    os.chown(folder, 12345, -1)
    assert files.read(NAME) is None and "belongs to user 12345" in caplog.text


def test_a_link_to_a_folder_counts_as_that_folder(folder, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    assert files.write(NAME, FIELDS, PARTS) and files.read(NAME) is not None
    (tmp_path / "real").chmod(0o777)
    assert files.read(NAME) is None


def test_no_folder_can_be_made(folder, tmp_path, monkeypatch, caplog):
    for where in (tmp_path / "file" / "cache", tmp_path / "file", tmp_path / ("x" * 5000), "/proc/none/cache", "a\0b"):
        (tmp_path / "file").write_text("")
        monkeypatch.setattr(folders, "_locate", lambda where=where: str(where))
        assert not files.write(NAME, FIELDS, PARTS) and files.read(NAME) is None
        assert files.clear() == 0 and files.prune(0) == []
    monkeypatch.setattr(folders, "_locate", lambda: None)
    assert not files.write(NAME, FIELDS, PARTS) and files.read(NAME) is None


@pytest.mark.parametrize("failing", ["open", "write", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_no_room_or_no_permission(folder, monkeypatch, caplog, failing, code):
    files.write(NAME, FIELDS, PARTS)
    real = getattr(os, failing)

    def broken(*args, **kwargs):
        if failing == "open" and not args[1] & os.O_CREAT:
            return real(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, failing, broken)
    assert not files.write("1" * 40 + ".code", FIELDS, PARTS)
    assert "is not written" in caplog.text
    assert files.read(NAME, count=True) == (FIELDS, PARTS)
    monkeypatch.undo()
    assert {p.name for p in folder.iterdir()} <= {NAME, NAME + ".use"}


def test_the_longest_unused_go_first(folder, monkeypatch):
    names = [f"{k:040x}.code" for k in range(10)]
    for age, name in enumerate(names):
        files.write(name, {}, [bytes(1000)])
        os.utime(folder / name, (time.time() - 10_000 + 100 * age,) * 2)
    assert files.read(names[0], count=True)                 # used just now
    monkeypatch.setattr(files, "MOST", 8000)
    monkeypatch.setattr(files, "LEFT", 5000)
    files.write(f"{99:040x}.code", {}, [bytes(1000)])
    left = {p.name for p in folder.iterdir()}
    assert {names[0], names[9], f"{99:040x}.code"} < left and not {names[1], names[2], names[3]} & left
    with folders.opened() as fd:
        assert sum(row.bytes for row in files.rows(fd)) <= 5000


def test_uses_are_counted(folder):
    files.write(NAME, FIELDS, PARTS)
    for _ in range(3):
        files.read(NAME, count=True)
    with folders.opened() as fd:
        row, = files.rows(fd)
    assert row.hits == 3 and time.time() - row.used < 5
    assert files.clear() == 1 and list(folder.iterdir()) == []


def test_leftovers_of_killed_writers_are_swept(folder):
    files.write(NAME, FIELDS, PARTS)
    for age, name in ((10, "a.new"), (10_000, "b.new")):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    (folder / ("2" * 40 + ".code.use")).write_bytes(b"..")
    files.prune(1 << 40)
    assert {p.name for p in folder.iterdir()} == {NAME, "a.new"}


def _work(where, seed):
    """Write and read for ever; whatever is read must be whole."""
    folders.locate_by(lambda: where)
    logging.disable()
    r = random.Random(seed)
    while True:
        k = r.randrange(8)
        if r.random() < 0.6:
            files.write(f"{k:040x}.code", {"k": k}, [bytes([k]) * r.randrange(200_000)])
        else:
            found = files.read(f"{k:040x}.code", count=True)
            if found is not None and (found.fields["k"] != k or set(found.parts[0]) - {k}):
                os._exit(3)
        if r.random() < 0.02:
            files.prune(400_000)


@pytest.mark.sweep(3, days=True)
def test_writers_and_readers_killed_at_random(folder, caplog):
    fork = multiprocessing.get_context("fork")
    r = random.Random(1)
    for seed in range(40):
        pair = [fork.Process(target=_work, args=(str(folder), 2 * seed + k), daemon=True) for k in range(2)]
        for p in pair:
            p.start()
        time.sleep(r.uniform(0.005, 0.06))
        for p in pair:
            os.kill(p.pid, signal.SIGKILL)
        for p in pair:
            p.join()
            assert p.exitcode == -signal.SIGKILL
    for k in range(8):
        found = files.read(f"{k:040x}.code")
        assert found is None or set(found.parts[0]) <= {k}
    assert "is not used" not in caplog.text
