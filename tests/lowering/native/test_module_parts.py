"""Modules in parts: the functions of sections in others than the kernel, linked together, kept on disk as one."""
import ctypes
import os
import struct
import threading
import time

import pytest
from disk import folder  # noqa: F401
from tracegrad.ir.errors import IRError
from tracegrad.ir.thresholds import sizes
from tracegrad.lowering.cache import objects
from tracegrad.lowering.native import engine, module_parts, object_code, perf_map
from tracegrad.lowering.native.module_parts import bundle, members, parts

import tracegrad as tg

TEXT = """@kernel.f.const0 = private unnamed_addr constant [4 x i8] c"\\02\\00\\00\\00", align 64
declare double @sin(double)
define internal i32 @helper(i32 %x) nounwind {
  %y = mul i32 %x, 3
  ret i32 %y
}
define internal i32 @only.one(i32 %x) nounwind {
  %y = sub i32 %x, 1
  ret i32 %y
}
define dso_local i32 @kernel.f.section0(i32 %c0, ptr noalias nocapture %error) noinline nounwind {
  %a = call i32 @helper(i32 %c0)
  %b = call i32 @only.one(i32 %a)
  ret i32 %b
}
define dso_local i32 @kernel.f.section1(i32 %c0, ptr noalias nocapture %error) noinline nounwind {
  %k = load i32, ptr @kernel.f.const0
  %a = call i32 @helper(i32 %k)
  %b = add i32 %a, %c0
  ret i32 %b
}
define i32 @kernel.f(i32 %x, ptr %error) nounwind {
  %a = call i32 @kernel.f.section0(i32 %x, ptr %error)
  %b = call i32 @kernel.f.section1(i32 %a, ptr %error)
  ret i32 %b
}
"""


def value(code):
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)(code.address("kernel.f"))(5, 0)


def test_each_part_has_what_it_needs():
    with sizes.at(llvm_part=8):
        found = parts(TEXT)
    assert len(found) == 3 and sorted(p.count("define ") for p in found) == [1, 2, 3]
    one, = (p for p in found if "define i32 @kernel.f(" in p)
    assert one.count("declare i32 @kernel.f.section") == 2
    assert sum("define internal i32 @helper" in p for p in found) == 2 and sum("@only.one(i32 %x)" in p for p in found) == 1
    assert parts(TEXT) == [TEXT]                          # short


def test_a_kernel_may_be_named_like_a_section():
    named = TEXT.replace("kernel.f", "kernel.section7")
    with sizes.at(llvm_part=8):
        assert sorted(p.count("define ") for p in parts(named)) == [1, 2, 3]
        alone = "define i32 @kernel.section7(i32 %x) nounwind {\n  ret i32 %x\n}\n" + ";\n" * 20
        assert parts(alone) == [alone]


def test_they_are_linked():
    with tg.config(cache=False), sizes.at(llvm_part=8, llvm_thread=0):
        code = engine.compile_module(TEXT)
        assert len(members(code.object)) == 3 and value(code) == 5 * 3 - 1 + 6
        assert code.asm().count("kernel.f.section0:") == 1 and "@kernel.f.section0" in code.llvm()
    assert value(engine.load(code.object, code.source)) == 20
    code.close()


def test_they_are_one_entry_on_disk(folder):  # noqa: F811
    with sizes.at(llvm_part=8, llvm_thread=0):
        made = engine.compile_module(TEXT)
        again = engine.compile_module(TEXT)
        assert made.key and set(again.phases) == {"load"} and value(again) == 20
        assert len(list(folder.glob("*.code"))) == 1
        damaged = bytearray(made.object)
        damaged[20] ^= 3                                # how many objects follow
        objects.keep(made.key, bytes(damaged), TEXT, {}, "cpu")
        assert value(engine.compile_module(TEXT)) == 20


def test_the_map_of_perf_names_functions_of_all_parts(monkeypatch):
    lines = []
    monkeypatch.setattr(perf_map, "_write", lines.extend)
    with sizes.at(llvm_part=8, llvm_thread=0):
        code = engine.compile_module(TEXT)
    perf_map._note(code, "kernel.f", lambda other: other)
    found = {line.split()[2].removeprefix("tracegrad:"): int(line.split()[0], 16) for line in lines}
    assert {"kernel.f", "kernel.f.section0", "kernel.f.section1"} <= set(found)
    assert all(code.address(name) == found[name] for name in found if name.startswith("kernel"))


def test_bundles():
    assert members(bundle([b"one"])) == [b"one"] and members(bundle([b"one", b"", b"three"])) == [b"one", b"", b"three"]
    whole = bundle([b"one", b"three"])
    for k in range(len(module_parts._MAGIC), len(whole)):
        with pytest.raises(ValueError, match=r"parts do not fit|ends too early"):
            members(whole[:k])
    with pytest.raises(ValueError, match="parts do not fit"):
        members(whole + b"x")
    with pytest.raises(ValueError, match="parts do not fit"):
        members(module_parts._MAGIC + struct.pack("<I", 0))


def test_what_fails_on_a_thread_is_raised_where_it_is_waited_for():
    with sizes.at(llvm_thread=0), pytest.raises((IRError, RuntimeError), match=r"expected|parsing"):
        object_code.object_of("define i32 @f( {")
    assert not object_code._jobs and not object_code._WORK._running


def test_without_threads(monkeypatch):
    def none(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with tg.config(cache=False), sizes.at(llvm_part=8, llvm_thread=0):
        assert value(engine.compile_module(TEXT)) == 20
    assert not object_code._jobs and not object_code._WORK._running


def test_several_threads_want_the_same():
    text = "define i64 @f() {\n  ret i64 41\n}\n"
    with sizes.at(llvm_thread=0):
        found = []
        threads = [threading.Thread(target=lambda: found.append(object_code.object_of(text).binary)) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert len(found) == 6 and len(set(found)) == 1 and not object_code._jobs


def test_a_fork_while_a_compilation_begins(monkeypatch):
    """The thread that compiles and the one that forks take the same locks in the same order."""
    begun, cut = threading.Event(), object_code.parts

    def slow(text):
        begun.set()
        time.sleep(0.1)                         # the lock is held, and no job runs yet
        return cut(text)

    monkeypatch.setattr(object_code, "parts", slow)
    object_code.data_layout()
    code = []
    with sizes.at(llvm_part=8, llvm_thread=0):
        thread = threading.Thread(target=lambda: code.append(object_code.object_of(TEXT).binary), daemon=True)
        thread.start()
        begun.wait()
        child = os.fork()
        if not child:
            os._exit(0)
        thread.join(30)
    assert os.waitpid(child, 0)[1] == 0 and not thread.is_alive() and len(members(code[0])) == 3


def test_threads_of_a_program_may_have_little_room():
    before = threading.stack_size(32 << 10)
    try:
        with sizes.at(llvm_thread=0):
            assert object_code.object_of(TEXT).binary
        assert threading.stack_size() == 32 << 10
    finally:
        threading.stack_size(before)
