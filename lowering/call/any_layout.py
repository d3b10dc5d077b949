"""Arrays that do not lie in memory as a kernel reads them: strided, transposed, of the other byte order, not aligned.

After an entry's checks one branch asks whether all arrays of a call are as they should be. Where not, NumPy makes copies, which
the entry owns until it returns; an array that is right already is its own copy. A kernel that writes to its arguments takes no
copies: such calls are for Python, which also brings the values back (call/specialisation.py).
"""
from __future__ import annotations

from ..native import c_layouts
from .unbox import Unpacker

# The data of an array, or of a copy in C order with the machine's byte order, which the slot owns; null on failure.
_PLAIN = f"""define internal ptr @tg.plain(ptr %x, i32 %type, ptr %slot, ptr %descr_of, ptr %from_array) noinline {{
  %descr = call ptr %descr_of(i32 %type)
  %made = call ptr %from_array(ptr %x, ptr %descr, i32 {c_layouts.C_CONTIGUOUS | c_layouts.ALIGNED})
  store ptr %made, ptr %slot
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %nothing, label %found
nothing:
  ret ptr null
found:
  %cell = getelementptr i8, ptr %made, i64 {c_layouts.OFFSETS["ndarray.data"]}
  %data = load ptr, ptr %cell
  ret ptr %data
}}
"""


def straighten(unpacker: Unpacker) -> int:
    """Give the kernel copies where it needs them. The number of slots taken."""
    w = unpacker.w
    if not unpacker.loose:
        return 0
    w.helpers[_PLAIN] = None
    begin, copy, copied, done = w.block(), w.block(), w.block(), w.block()
    slots = [w.new_slot() for _ in unpacker.loose]
    functions = [f"ptr {w.link('api', name)}" for name in ("PyArray_DescrFromType", "PyArray_FromArray")]
    w(f"br label {begin}")
    w.begin(begin)
    w(f"br i1 {w.all_of([plain for _, _, plain in unpacker.loose])}, label {done}, label {copy}")
    w.begin(copy)
    inputs, made = unpacker.signature.inputs(), {}
    for (param, x, _), slot in zip(unpacker.loose, slots, strict=True):
        given = ", ".join([f"ptr {x}", f"i32 {inputs[param].dtype.np.num}", f"ptr {slot}", *functions])
        made[param] = w.value(f"call ptr @tg.plain({given})")
        w.require(w.value(f"icmp ne ptr {made[param]}, null"), "%failed")
    w(f"br label {copied}")
    w.begin(copied)
    w(f"br label {done}")
    w.begin(done)
    for param, new in made.items():
        old = unpacker.pointers[param]
        pointer = w.value(f"phi ptr [{old}, {begin}], [{new}, {copied}]")
        unpacker.pointers |= {k: pointer for k, known in unpacker.pointers.items() if known == old}
    return len(slots)
