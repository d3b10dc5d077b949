"""LLVM IR text to machine code and back to memory."""
from __future__ import annotations

import ctypes
import math
import pathlib
import threading

import llvmlite.binding as llvm
import pytest
from tracegrad.ir.errors import IRError
from tracegrad.lowering.memory import scratch_pool
from tracegrad.lowering.native import engine, object_code, threads
from tracegrad.lowering.native.elf import needs_stubs, undefined

ONE_DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)


def scaled_tanh(k):
    return f"""declare double @tanh(double)
define double @f{k}(double %x) {{
  %a = fmul double %x, {float(k)}
  %b = call double @tanh(double %a)
  ret double %b
}}
"""


def resident():
    """Megabytes of this process in memory."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024


@pytest.mark.usefixtures("compiled_anew")
def test_a_module_runs_and_tells_about_itself():
    code = engine.compile_module(scaled_tanh(3))
    assert ONE_DOUBLE(code.address("f3"))(0.25) == math.tanh(0.75)
    assert 0 < code.size < 200
    assert set(code.phases) == {"parse", "passes", "machine", "link"} and all(v > 0 for v in code.phases.values())
    assert "define double @f3" in code.llvm() and "tanh" in code.asm() and code.source == scaled_tanh(3)
    with pytest.raises(KeyError):
        code.address("g")
    code.close()
    code.close()
    assert code.closed
    with pytest.raises(ValueError):
        code.address("f3")


def test_an_object_file_loads_again():
    code = engine.compile_module(scaled_tanh(2))
    again = engine.load(code.object, code.source)
    code.close()
    assert ONE_DOUBLE(again.address("f2"))(0.5) == math.tanh(1.0)
    assert again.size > 0


def test_a_missing_symbol_is_an_error_and_not_the_end_of_the_process():
    text = scaled_tanh(1).replace("tanh", "no_such_function")
    with pytest.raises(IRError, match="no_such_function"):
        engine.compile_module(text)
    with pytest.raises(RuntimeError):
        engine.compile_module("define double @f( {")


def test_calls_that_llvm_inserts_find_their_functions():
    """memcpy, memset, fmod, and exp2 for pow(2, x), which nobody declared."""
    text = """declare double @pow(double, double)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1 immarg)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1 immarg)
define double @f(double %x, ptr %a, ptr %b, i64 %n) {
  %c = frem double %x, 0.75
  %p = call double @pow(double 2.0, double %c)
  call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %b, i64 %n, i1 false)
  call void @llvm.memset.p0.i64(ptr %b, i8 0, i64 %n, i1 false)
  ret double %p
}"""
    code = engine.compile_module(text)
    f = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(code.address("f"))
    a, b = (ctypes.c_double * 3)(1, 2, 3), (ctypes.c_double * 3)(4, 5, 6)
    assert f(2.0, a, b, 24) == 2 ** 0.5
    assert list(a) == [4, 5, 6] and list(b) == [0, 0, 0]
    assert not needs_stubs(code.object)
    assert set(undefined(code.object)) - {"_GLOBAL_OFFSET_TABLE_"} == {"memcpy", "memset", "fmod", "exp2"}


def test_objects_that_need_stubs_are_seen_and_the_large_code_model_has_none():
    with llvm.parse_assembly(object_code.data_layout() + scaled_tanh(3)) as module:
        with object_code.target_machine() as machine:
            assert needs_stubs(machine.emit_object(module))
        with object_code.target_machine("large") as machine:
            binary = machine.emit_object(module)
    assert not needs_stubs(binary)
    assert ONE_DOUBLE(engine.load(binary, scaled_tanh(3)).address("f3"))(1.0) == math.tanh(3.0)


@pytest.mark.sweep(4, days=True)
@pytest.mark.usefixtures("compiled_anew")
def test_memory_stays_flat_over_compilations():
    def cycle(k):
        code = engine.compile_module(scaled_tanh(k))
        assert ONE_DOUBLE(code.address(f"f{k}"))(0.5) == math.tanh(k / 2)
        if k % 2:
            code.close()                     # else: by the garbage collector

    for k in range(200):
        cycle(k)
    before = resident()
    for k in range(200, 1000):
        cycle(k)
    assert resident() - before < 3


def test_threads_compile_and_run_at_once():
    errors = []

    def work(start):
        try:
            for k in range(start, start + 15):
                code = engine.compile_module(scaled_tanh(k))
                for _ in range(50):
                    assert ONE_DOUBLE(code.address(f"f{k}"))(0.1) == math.tanh(0.1 * k)
                code.close()
        except Exception as error:           # carried to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def memory():
    take, give = engine.PROVIDERS["memory"](["take", "give"])
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(take), ctypes.CFUNCTYPE(None, ctypes.c_void_p)(give)


def test_large_blocks_are_kept():
    take, give = memory()
    scratch_pool.release()
    first, second = take(40 << 20), take(50 << 20)
    assert first and second and first != second
    ctypes.memset(first + scratch_pool.HEADER, 1, 40 << 20)
    give(first)
    assert scratch_pool.kept() == 40 << 20
    assert take(33 << 20) == first and scratch_pool.kept() == 0
    give(first)
    give(second)
    assert take(45 << 20) == second and take(35 << 20) == first
    give(first)
    give(second)
    little = take(scratch_pool.LARGE)              # much smaller than what is kept
    assert little not in (first, second) and scratch_pool.kept() == 90 << 20
    give(little)
    small = take(1000)
    give(small)
    give(None)
    assert scratch_pool.kept() == (90 << 20) + scratch_pool.LARGE
    assert take(1 << 60) is None              # everything is freed for it first
    assert scratch_pool.kept() == 0


def test_kept_blocks_are_bounded_in_number_and_size():
    take, give = memory()
    scratch_pool.release()
    blocks = [take(scratch_pool.LARGE + k) for k in range(scratch_pool.CELLS + 3)]
    for block in blocks:
        give(block)
    assert scratch_pool.CELLS * scratch_pool.LARGE <= scratch_pool.kept() < (scratch_pool.CELLS + 1) * scratch_pool.LARGE
    half = scratch_pool.LIMIT // 2
    first, second = take(half), take(half + 64)
    give(first)
    give(second)                              # too much with the others, which are freed
    assert scratch_pool.kept() == half + 64
    huge = take(scratch_pool.LIMIT + 1)
    give(huge)
    assert scratch_pool.kept() == half + 64
    scratch_pool.release()
    assert scratch_pool.kept() == 0


def test_threads_take_and_give_at_once():
    take, give = memory()
    scratch_pool.release()
    wrong = []

    def work(number):
        for k in range(3000):
            size = scratch_pool.LARGE * (1 + (k + number) % 5)
            block = take(size)
            ends = [ctypes.c_int64.from_address(block + scratch_pool.HEADER + at) for at in (0, size - 8)]
            for end in ends:
                end.value = number
            if k % 3 == 0:
                other = take(size)
                give(other)
            if any(end.value != number for end in ends):
                wrong.append(number)
            give(block)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    scratch_pool.release()
    assert scratch_pool.kept() == 0


@pytest.mark.parametrize("module", [scratch_pool._module, threads._module])
def test_helper_modules_need_no_stubs(module):
    """They are compiled for a short compilation, which does not look for a call that would need one."""
    assert not needs_stubs(module().object)
