"""Which names would unpickling these bytes look up? Found out without unpickling anything.

The opcodes are walked one by one (:func:`pickletools.genops`) on a symbolic stack that knows
strings, tuples, dicts and what they are called with, so that a name put together at run time is
noticed, and the raw arrays that joblib writes between the opcodes are stepped over exactly as
joblib would read them: where one byte of them is in doubt the file is refused.

``picklescan`` was not taken: it names what is forbidden, which is never complete, and holds what
it cannot parse for harmless. Here a list (``allowed.toml``) names what is allowed. Pure; about a
million opcodes a second. Wrong where a listed class does harm when made: the worker process that
opens models contains that.
Source: Python's ``pickletools``; joblib's ``numpy_pickle.NumpyArrayWrapper``.
"""

import pickletools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from math import prod
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MAX_STEPS", "WRAPPER", "allowed", "globals_in"]

MAX_STEPS = 10_000_000
"""Opcodes of one pickle; the largest real forest seen had a tenth of it."""
MAX_ARRAY_BYTES = 1 << 40

WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_DTYPE = ("numpy", "dtype")
_ENDS = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
_CALLS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ"}
_KEEPS = {"SETITEM", "SETITEMS", "APPEND", "APPENDS", "ADDITEMS"}
_TYPE = re.compile(r"[<>|=]?[?A-Za-z]\d*(?:\[\w+\])?")
_OPAQUE = object()


class _Items(list[Any]):
    """A dict as keys and values in turn: nothing is hashed."""


@dataclass(slots=True)
class _Made:
    """What a call gives: its callable, its arguments, and what it was filled with since."""

    of: Any
    args: Any
    states: list[Any] = field(default_factory=list)


@cache
def _table() -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    said = tomllib.loads(Path(__file__).with_name("allowed.toml").read_text())
    return [(re.compile(each["module"]), re.compile(each["name"])) for each in said["allow"]]


def allowed(module: str, name: str) -> bool:
    """Tell whether a model's pickle may look this up, by ``allowed.toml``."""
    return any(of.fullmatch(module) and named.fullmatch(name) for of, named in _table())


def globals_in(data: mmap, *, joblib: bool) -> Iterator[tuple[str, str]]:
    """Yield each (module, name) that unpickling would look up from here to the pickle's end.

    ``joblib`` says who reads: joblib steps over arrays, a plain unpickler goes on in their bytes.
    A map of a file is asked for since it never gives more than it holds.
    Raises :class:`ValueError` where an unpickler would fail, or where what it would do cannot be
    told; what was yielded before would have been looked up all the same.
    """
    try:
        yield from _walk(data, joblib)
    except (IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"its opcodes do not fit together: {error!r}") from error


def _walk(data: mmap, joblib: bool) -> Iterator[tuple[str, str]]:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    arg: Any
    for step, (op, arg, _) in enumerate(pickletools.genops(data)):  # type: ignore[arg-type]
        if step > MAX_STEPS:
            raise ValueError(f"it has more than {MAX_STEPS} opcodes")
        kind = op.name
        if kind in _ENDS:
            raise ValueError(f"it leans on something outside of it ({kind})")
        if kind == "MARK":
            marks.append(len(stack))
        elif kind == "POP" and marks and marks[-1] == len(stack):
            marks.pop()
        elif kind == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif kind.endswith("PUT"):
            memo[int(arg)] = stack[-1]
        elif kind.endswith("GET"):
            stack.append(memo[int(arg)])
        elif kind == "DUP":
            stack.append(stack[-1])
        elif kind not in ("PROTO", "FRAME", "STOP"):
            taken = _taken(op, stack, marks)
            if kind in ("GLOBAL", "INST", "STACK_GLOBAL"):
                place = _place(taken if kind == "STACK_GLOBAL" else arg.split(" ", 1))
                yield place
                made: Any = _Made(place, tuple(taken)) if kind == "INST" else place
            else:
                made = _made(kind, arg, taken)
            if op.stack_after:
                stack.append(made)
            if kind == "BUILD" and joblib and isinstance(made, _Made) and made.of == WRAPPER:
                yield from _array(made, data)


def _taken(op: pickletools.OpcodeInfo, stack: list[Any], marks: list[int]) -> list[Any]:
    """Take off the stack what an opcode takes; what lies under a mark is out of its reach."""
    wants = op.stack_before
    at = len(stack) - len(wants)
    if pickletools.markobject in wants:
        at = marks.pop() - wants.index(pickletools.markobject)
    if at < (marks[-1] if marks else 0):
        raise ValueError(f"{op.name} takes more than there is")
    taken = stack[at:]
    del stack[at:]
    return taken


def _place(parts: list[Any]) -> tuple[str, str]:
    if len(parts) != 2 or not all(type(part) is str for part in parts):
        raise ValueError("it names something by a name that is put together at run time")
    return parts[0], parts[1]


def _made(kind: str, arg: Any, taken: list[Any]) -> Any:
    if kind in _CALLS:
        return _Made(taken[0], taken[1] if kind == "REDUCE" else _OPAQUE)
    if kind == "BUILD":
        if isinstance(taken[0], _Made):
            taken[0].states.append(taken[1])
        return taken[0]
    if kind in ("EMPTY_DICT", "DICT"):
        return _Items(taken)
    if "TUPLE" in kind:
        return tuple(taken)
    if kind in _KEEPS:  # the container stays
        if isinstance(taken[0], _Items):
            taken[0].extend(taken[1:])
        return taken[0]
    if kind == "NONE":
        return None
    return arg if type(arg) in (str, int) else _OPAQUE


def _array(wrapper: _Made, data: mmap) -> Iterator[tuple[str, str]]:
    """Step over the array that joblib has written behind its wrapper."""
    (state,) = wrapper.states
    held = dict(zip(state[::2], state[1::2], strict=True)) if isinstance(state, _Items) else {}
    shape, dtype, align = held["shape"], held["dtype"], held.get("numpy_array_alignment_bytes")
    size, objects = _item(dtype)
    if not all(type(each) is int and each >= 0 for each in shape) or type(shape) is not tuple:
        raise ValueError("the shape of an array in it is not told plainly")
    if objects:  # a pickle of its own, which joblib has read by a plain unpickler
        yield from _walk(data, joblib=False)
        return
    if align is not None:
        if type(align) is not int:
            raise ValueError("the alignment of an array in it is not told plainly")
        data.seek(data.read(1)[0], 1)
    if (length := prod(shape) * size) > MAX_ARRAY_BYTES:
        raise ValueError(f"it tells of an array of {length} bytes")
    at = data.tell()
    data.seek(0, 2)
    if at + length > data.tell():
        raise ValueError("an array in it is cut short")
    data.seek(at + length)


def _item(dtype: Any) -> tuple[int, bool]:
    """Return the bytes of one item and whether it is an object; in doubt, :class:`ValueError`.

    What ``__setstate__`` is given (version, order, subarray, names, fields, size, alignment,
    flags, ...) overrides what the name says, so both must say the same.
    """
    if not isinstance(dtype, _Made) or dtype.of != _DTYPE or len(dtype.states) > 1:
        raise ValueError("the type of an array in it is not told plainly")
    if type(dtype.args[0]) is not str or not _TYPE.fullmatch(dtype.args[0]):
        raise ValueError(f"the type {str(dtype.args[0])[:40]!r} of an array in it is not known")
    plain = np.dtype(dtype.args[0])
    objects = plain.hasobject
    state = dtype.states[0] if dtype.states else (3, "|", None, None, None, -1, -1, int(objects))
    _, _, subarray, _, fields, size, _, flags = state[:8]
    if subarray is not None or size not in (-1, plain.itemsize):
        raise ValueError("the type of an array in it contradicts itself")
    if type(flags) is not int or (flags & 1 == 1) != objects or (fields is not None and objects):
        raise ValueError("an array in it hides objects")
    return plain.itemsize, objects
