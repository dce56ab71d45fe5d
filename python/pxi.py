"""What programs for `pxi compile` use, for CPython.

A program that begins with `from pxi import *` and stays in the subset
(docs/pxi-python.md) gives the same under CPython as on the machine. What needs
the machine - raw memory, the frame, running modules, models - fails here with
the error "not supported" (1), or raises NotImplementedError if it gives no error.
"""

import os as _os
import random as _random
import sys as _sys
import time as _time

u32 = int
_start = _time.monotonic()
_error = 0

NOT_SUPPORTED, NOT_FOUND, IO, WRONG_KIND, END_OF_INPUT = 1, 2, 7, 10, 14


def _set(error):
    global _error
    _error = error


def _text(text):
    return text if isinstance(text, str) else bytes(text).decode("utf-8", "replace")


def _fill(buffer, content):
    count = min(len(buffer), len(content))
    buffer[:count] = content[:count]
    return count


def external(path, name):
    """A function of another module: it is on the machine only."""
    def decorate(function):
        def missing(*_):
            raise NotImplementedError(f"{name} of {path}")
        return missing
    return decorate


def err():
    """The error of the last system call, 0 if there was none."""
    return _error


def view(array, start, length):
    """A part of bytes or a bytearray, for a system call."""
    if not (0 <= start <= len(array) and 0 <= length <= len(array) - start):
        raise IndexError("view out of range")
    if isinstance(array, str):
        return array.encode()[start:start + length]
    return memoryview(array)[start:start + length]


def write(text):
    _sys.stdout.write(_text(text))
    _set(0)


def log(text, level=0, event="log"):
    print(f"{('info', 'warning', 'error')[min(level, 2)]}: {_text(text)}", file=_sys.stderr)
    _set(0)


def stage(label):
    _set(0)


def exit(status=0):
    _sys.exit(status)


def time(kind=0):
    _set(0)
    return int(_time.time()) if kind else int((_time.monotonic() - _start) * 1000) & 0xFFFFFFFF


def random():
    _set(0)
    return _random.getrandbits(32)


def read(path, buffer, offset=0):
    try:
        with open(_text(path), "rb") as file:
            file.seek(offset)
            _set(0)
            return _fill(buffer, file.read(len(buffer)))
    except FileNotFoundError:
        _set(NOT_FOUND)
    except IsADirectoryError:
        _set(WRONG_KIND)
    except OSError:
        _set(IO)
    return 0


def stat(path, fields):
    assert len(fields) >= 8
    try:
        found = _os.stat(_text(path))
    except OSError:
        _set(NOT_FOUND)
        return 0
    mode = found.st_mode
    kind = {0o100000: 1, 0o040000: 2}.get(mode & 0o170000, 3)
    size, modified = found.st_size, max(0, int(found.st_mtime))
    fields[:8] = [kind, size >> 32, size & 0xFFFFFFFF, 0, mode, modified, found.st_nlink, 0]
    _set(0)
    return kind


def list_names(path, buffer, skip=0):
    try:
        names = sorted(_os.listdir(_text(path)))[skip:]
    except OSError:
        _set(NOT_FOUND)
        return 0, 0
    content, count = b"", 0
    for name in names:
        entry = name.encode() + b"\0"
        if len(content) + len(entry) > len(buffer):
            break
        content, count = content + entry, count + 1
    _set(0)
    return _fill(buffer, content), count


def input_line(buffer):
    line = _sys.stdin.readline()
    if not line:
        _set(END_OF_INPUT)
        return 0
    _set(0)
    return _fill(buffer, line.rstrip("\n").encode())


def _refuse(*result):
    def call(*_):
        _set(NOT_SUPPORTED)
        return result if len(result) > 1 else result[0]
    return call


resolve = blob = check = requires = llm = stopped = journal = _refuse(0)
oracle = _refuse(False)
policy = route = _refuse(None)
module = module_id = _refuse(0, 0)
run = _refuse(0, 0, 0)


def _machine_only(*_):
    raise NotImplementedError("this needs the machine")


peek = poke = peek_byte = poke_byte = addr_of = raw = _machine_only
fill_pixels = copy_pixels = plot = pixel = frame_width = frame_height = _machine_only


def putc(c):
    write(chr(c))
