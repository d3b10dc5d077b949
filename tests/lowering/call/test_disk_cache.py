"""Object code on disk: linked as it was compiled, and never run if anything about it is not as it should be."""
import ctypes
import logging
import zlib

import numpy as np
import pytest
from disk import folder, module, origin  # noqa: F401
from tracegrad.ir.errors import IRError
from tracegrad.lowering.cache import files, objects
from tracegrad.lowering.native import elf, engine, object_code
from tracegrad.lowering.native.compile_fast import compile_glue

import tracegrad as tg

ADD = "define i32 @add(i32 %a, i32 %b) {\n  %c = add i32 %a, %b\n  ret i32 %c\n}\n"


def call(code):
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(code.address("add"))(2, 3)


@pytest.mark.parametrize("compiler", [engine.compile_module, compile_glue])
def test_the_same_text_is_compiled_once(folder, compiler):  # noqa: F811
    first, second = compiler(ADD), compiler(ADD)
    assert call(first) == call(second) == 5 and first.object == second.object and second.source == ADD
    assert set(second.phases) == {"load"} and "load" not in first.phases and first.key == second.key
    assert set(compiler(ADD.replace("add i32 %a", "sub i32 %a")).phases) != {"load"}


def test_each_way_of_compiling_has_its_own(folder):  # noqa: F811
    keys = {engine.compile_module(ADD).key, engine.compile_module(ADD, optimize=False).key, compile_glue(ADD).key}
    assert len(keys) == 3


def test_addresses_are_not_kept(folder):  # noqa: F811
    text = "define ptr @p() {\n  ret ptr inttoptr (i64 4096 to ptr)\n}\n"
    assert engine.compile_module(text).key is None and not list(folder.glob("*.code"))


def test_names_that_no_code_may_ask_for(folder, caplog):  # noqa: F811
    caplog.set_level(logging.INFO, "tracegrad.cache")
    text = "declare i32 @system(ptr)\ndefine i32 @add(i32 %a, i32 %b) {\n  %c = call i32 @system(ptr null)\n  ret i32 %c\n}\n"
    made = engine.compile_module(text)
    assert made.key is None and not list(folder.glob("*.code"))             # not written …
    key = engine.object_key(ADD, "optimized")
    objects.keep(key, made.object, ADD, {}, "cpu")
    assert set(engine.compile_module(ADD).phases) != {"load"}               # … nor run
    assert "asks for system" in caplog.text
    for name in ("dlopen", "execve", "PyRun_SimpleString", "fork", "mprotect", "libc.system", "open"):
        assert not engine.is_allowed(name)
    for name in ("sin", "powf", "cexp", "memcpy", "free", "scipy.dgemm", "vecmath.exp.f64.v8", "__divdc3"):
        assert engine.is_allowed(name)


def test_code_that_this_process_cannot_link(folder, caplog):  # noqa: F811
    text = "declare void @scipy.nothing()\ndefine void @f() {\n  call void @scipy.nothing()\n  ret void\n}\n"
    with pytest.raises(IRError):
        engine.compile_module(text)
    key = engine.object_key(ADD, "optimized")
    with object_code.target_machine() as machine, object_code.optimized_module(text, machine, []) as made:
        objects.keep(key, machine.emit_object(made), ADD, {}, "cpu")
    assert call(engine.compile_module(ADD)) == 5 and "is not used" in caplog.text


@pytest.mark.parametrize("binary", [b"", b"\x7fELF\x02\x01" + bytes(58), b"not an object", bytes(3000)])
def test_what_is_no_object_file(folder, binary):  # noqa: F811
    objects.keep(engine.object_key(ADD, "optimized"), binary, ADD, {}, "cpu")
    assert call(engine.compile_module(ADD)) == 5


def test_another_number_of_parts(folder):  # noqa: F811
    files.write(engine.object_key(ADD, "optimized") + ".code", {}, [zlib.compress(b"")])
    assert call(engine.compile_module(ADD)) == 5


PROGRAM = "import numpy as np\nimport tracegrad as tg\nf = tg.grad(lambda x: np.sum(np.exp(x) @ x))\n"


@pytest.mark.sweep(2, days=True)
def test_a_bad_entry_of_a_call_is_a_miss(folder, tmp_path, caplog):  # noqa: F811
    x = np.arange(3.0)
    right = module(tmp_path, PROGRAM).f(x)
    entry, = folder.glob("*.call")
    whole = entry.read_bytes()
    content = files.unpacked(entry.name, whole)
    bad = [whole[:k] for k in range(0, len(whole), 512)]
    shown = {"captured", "options", "phases", "stages", "label", "cpu", "captures", "file", "line", "name"}    # to look at
    bad += [files.packed(entry.name, {k: v for k, v in content.fields.items() if k != name}, content.parts)
            for name in content.fields if name not in shown]
    bad.append(files.packed(entry.name, {}, []))
    for data in bad:
        entry.write_bytes(data)
        f = module(tmp_path, PROGRAM).f
        np.testing.assert_array_equal(f(x), right)
        assert origin(f) == "compiled"
    assert "is not used" in caplog.text


def test_a_call_whose_code_is_gone(folder, tmp_path):  # noqa: F811
    x = np.arange(3.0)
    right = module(tmp_path, PROGRAM).f(x)
    for entry in folder.glob("*.code"):
        entry.unlink()
    f = module(tmp_path, PROGRAM).f
    np.testing.assert_array_equal(f(x), right)
    assert origin(f) == "compiled"
    g = module(tmp_path, PROGRAM).f
    np.testing.assert_array_equal(g(x), right)
    assert origin(g) == "disk"


def test_what_code_asks_for_is_read_from_the_object():
    text = "declare double @sin(double)\ndefine double @f(double %x) {\n  %y = call double @sin(double %x)\n  ret double %y }\n"
    assert "sin" in elf.undefined(engine.compile_module(text).object)


def test_a_folder_as_option_and_errors(tmp_path):
    with tg.config(cache=tmp_path / "here"):
        assert tg.config.cache_folder == str(tmp_path / "here")
    with tg.config(cache=False):
        assert tg.config.cache_folder is None
    for wrong in ("", 3, None, b"x"):
        with pytest.raises(tg.ArgumentError, match="option cache takes"):
            tg.config.update("cache", wrong)


def test_kernels_with_parallel_loops(folder, tmp_path):  # noqa: F811
    """They ask for the pool by name, and no number of threads is part of them."""
    source = """
        import numpy as np
        import tracegrad as tg

        @tg.jit
        def f(x):
            return (np.exp(x) * x).sum() + np.sqrt(x).max()
    """
    x = np.linspace(0.0, 1.0, 100_000)
    with tg.config(threads=3):
        made = module(tmp_path, source).f
        expected = made(x)
    assert "parallel for" in made.lower(x).text("loops") and origin(made) != "disk"
    again = module(tmp_path, source).f
    assert again(x) == expected and origin(again) == "disk"
