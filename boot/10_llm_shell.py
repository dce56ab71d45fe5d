"""The shell for a language model: a command a line, a JSON object a line as answer.

{"ok": true, ...} or {"ok": false, "error": "...", "code": N}; `help` lists the
commands. A word that holds blanks is written in double quotes. What a module
prints that `run` runs stands before the answer, which begins on a line of its
own. No line can stop this program; it ends by `exit` and at the end of input.
"""

from pxi import *

LINE = 4096
CHUNK = 16384
WINDOW = 320000
MOST_NAMES = 500
MOST_FUEL = 8000000
HEAP = 360000

# The errors of the system calls, from 1 on, as docs/pxi-isa.md has them.
REASONS = (
    b"not supported;not found;the policy forbids it;address outside the memory;not enough room;"
    b"bad argument;cannot be read;digest does not match;not a module that runs;"
    b"wrong kind of file;no model to ask;the model failed;too many model calls;end of input;"
    b"modules nested too deeply;requirements not met;not a picture of a program;"
    b"an import cannot be had;"
)

line = bytearray(LINE)
data = bytearray(CHUNK)
path = bytearray(8192)
tail = bytearray(65536)
window: list[u32] = [0] * WINDOW
fields: list[u32] = [0] * 8
line_end = 0
next_at = 0
word_at = 0
word_end = 0


def put_reason(code: int):
    """Prints what an error of a system call means."""
    start = 0
    for at in range(len(REASONS)):
        if REASONS[at] == 59:
            code -= 1
            if code == 0:
                write(view(REASONS, start, at - start))
                return
            start = at + 1
    write("unknown error")


def next_word() -> bool:
    """The next word of the line into word_at, word_end; whether there is one."""
    global next_at, word_at, word_end
    at = next_at
    while at < line_end and line[at] <= 32:
        at += 1
    if at == line_end:
        next_at = at
        return False
    stop = 32
    if line[at] == 34:
        stop = 34
        at += 1
    word_at = at
    while at < line_end and line[at] != stop:
        at += 1
    word_end = at
    next_at = min(at + 1, line_end)
    return True


def word_is(name: bytes) -> bool:
    if word_end - word_at != len(name):
        return False
    for i in range(len(name)):
        if line[word_at + i] != name[i]:
            return False
    return True


def number_or(default: int) -> int:
    """The next word as a number; the default without one, -1 if it is none."""
    if not next_word():
        return default
    if word_at == word_end:
        return -1
    value = 0
    for at in range(word_at, word_end):
        c = line[at]
        if c < 48 or c > 57 or value > 200000000:
            return -1
        value = value * 10 + c - 48
    return value


def put_hex(n: u32, size: int):
    for i in range(size):
        d = int(n >> (4 * (size - 1 - i)) & 15)
        putc(d + (48 if d < 10 else 55))


def put_big(high: u32, low: u32):
    """high * 2^32 + low in decimal."""
    if high == 0:
        print(low, end="")
        return
    # By 10, in parts of 16 bits below the high half.
    middle: u32 = high % 10 * 65536 + (low >> 16)
    last: u32 = middle % 10 * 65536 + (low & 65535)
    put_big(high // 10, (middle // 10) << 16 | last // 10)
    putc(last % 10 + 48)


def put_escaped(text: bytearray, start: int, end: int, least: int):
    """Bytes of a JSON string. `least` 32: text to escape; 0: JSON already,
    of which only what the terminal would escape in its own way is rewritten."""
    run_at = start
    at = start
    while at < end:
        c = text[at]
        size = 0
        code = c
        if c < least or c == 127:
            size = 1
        elif least > 0 and (c == 34 or c == 92):
            size = 1
        elif c == 194 and at + 1 < end:
            code = text[at + 1]
            if code >= 128 and code < 160:
                size = 2
        if size == 0:
            at += 1
            continue
        write(view(text, run_at, at - run_at))
        if code == 34 or code == 92:
            putc(92)
            putc(code)
        elif code == 10:
            write("\\n")
        else:
            write("\\u00")
            put_hex(u32(code), 2)
        at += size
        run_at = at
    write(view(text, run_at, end - run_at))


def put_field(name: str, text: bytearray, start: int, end: int):
    write(name)
    putc(34)
    put_escaped(text, start, end, 32)
    putc(34)


def fail(why: str, code: int):
    print("{\"ok\":false,\"error\":\"", why, "\",\"code\":", code, "}", sep="")


def fail_call(code: int):
    write("{\"ok\":false,\"error\":\"")
    put_reason(code)
    print("\",\"code\":", code, "}", sep="")


def failed() -> bool:
    """Whether the last call gave an error; then it is the answer."""
    code = err()
    if code == 0:
        return False
    fail_call(code)
    return True


def want_path() -> bool:
    """The next word as a path; without one the answer says so."""
    if next_word():
        return True
    fail("a path is needed", 6)
    return False


def put_kind(kind: int):
    write("\"kind\":\"")
    write("file" if kind == 1 else "directory" if kind == 2 else "other")
    write("\"")


def put_entry(dir_end: int, start: int, end: int):
    """A name of a directory, whose path is in `path`, and what it is."""
    at = dir_end
    for i in range(start, end):
        if at < len(path):
            path[at] = data[i]
            at += 1
    put_field("{\"name\":", data, start, end)
    kind = stat(view(path, 0, at), fields)
    if err() == 0:
        putc(44)
        put_kind(kind)
        if kind == 1:
            write(",\"size\":")
            put_big(fields[1], fields[2])
    putc(125)


def do_ls():
    if not want_path():
        return
    first = word_at
    last = word_end
    skip = number_or(0)
    if skip < 0:
        fail("SKIP is a number", 6)
        return
    for i in range(first, last):
        path[i - first] = line[i]
    dir_end = last - first
    size, count = list_names(view(line, first, last - first), data, skip)
    if failed():
        return
    if dir_end > 0 and path[dir_end - 1] != 47:
        path[dir_end] = 47
        dir_end += 1
    write("{\"ok\":true,\"entries\":[")
    shown = 0
    while size > 0 and shown < MOST_NAMES:
        start = 0
        for at in range(size):
            if data[at] == 0 and shown < MOST_NAMES:
                if shown > 0:
                    putc(44)
                put_entry(dir_end, start, at)
                start = at + 1
                shown += 1
        size, count = list_names(view(line, first, last - first), data, skip + shown)
    is_end = "false" if size > 0 else "true"
    print("],\"next\":", skip + shown, ",\"end\":", is_end, "}", sep="")


def do_stat():
    if not want_path():
        return
    kind = stat(view(line, word_at, word_end - word_at), fields)
    if failed():
        return
    write("{\"ok\":true,")
    put_kind(kind)
    write(",\"size\":")
    put_big(fields[1], fields[2])
    write(",\"id\":\"0x")
    put_hex(fields[3], 8)
    print("\",\"mode\":", fields[4], ",\"modified\":", fields[5], sep="", end="")
    print(",\"links\":", fields[6], ",\"type\":", fields[7], "}", sep="")


def whole_characters(count: int) -> int:
    """Bytes of `data` up to the last character that is whole."""
    back = 1
    while back <= 3 and back < count:
        c = data[count - back]
        if c < 128:
            return count
        if c >= 192:
            size = 2 if c < 224 else 3 if c < 240 else 4
            return count - back if back < size else count
        back += 1
    return count


def do_cat():
    if not want_path():
        return
    first = word_at
    size = word_end - word_at
    offset = number_or(0)
    length = number_or(4096)
    if offset < 0 or length < 1:
        fail("OFFSET and LENGTH are numbers, LENGTH is not 0", 6)
        return
    length = min(length, CHUNK)
    count = read(view(line, first, size), view(data, 0, length), offset)
    if failed():
        return
    is_end = count < length
    if not is_end:
        count = whole_characters(count)
    put_field("{\"ok\":true,\"text\":", data, 0, count)
    print(",\"bytes\":", count, ",\"end\":", "true" if is_end else "false", "}", sep="")


def do_resolve():
    if not want_path():
        return
    id = resolve(view(line, word_at, word_end - word_at))
    if failed():
        return
    write("{\"ok\":true,\"id\":\"0x")
    put_hex(id, 8)
    print("\"}")


def do_run():
    if not want_path():
        return
    first = word_at
    size = word_end - word_at
    fuel = number_or(1000000)
    if fuel < 1 or fuel > MOST_FUEL:
        fail("FUEL is a number, 1 to 8000000", 6)
        return
    pixels, id = module(view(line, first, size), addr_of(window), WINDOW)
    if failed():
        return
    state, detail, steps = run(addr_of(window), pixels, fuel, 1)
    code = err()
    print()
    if code > 0:
        fail_call(code)
        return
    write("{\"ok\":true,\"state\":\"")
    write("ended" if state == 0 else "out-of-fuel" if state == 1 else "trap")
    print("\",\"detail\":", detail, ",\"steps\":", steps, sep="", end="")
    put_field(",\"reason\":", data, 0, stopped(data))
    print("}")


def log_size() -> int:
    """Bytes of the log: the first offset at which nothing is."""
    low = 0
    high = 16777216
    while low < high:
        middle = (low + high) // 2
        if journal(view(tail, 0, 1), middle) > 0:
            low = middle + 1
        else:
            high = middle
    return low


def do_log():
    wanted = number_or(20)
    if wanted < 1:
        fail("N is a number, not 0", 6)
        return
    size = journal(view(tail, 0, 1))
    if failed():
        return
    start = max(log_size() - len(tail), 0)
    size = journal(tail, start)
    # A line that begins before what was read is left out.
    at = size
    first = size
    while at > 0 and wanted >= 0:
        at -= 1
        if tail[at] == 10:
            wanted -= 1
            first = at + 1
    if wanted >= 0 and start == 0:
        first = 0
    write("{\"ok\":true,\"lines\":[")
    at = first
    for i in range(first, size):
        if tail[i] == 10:
            if at > first:
                putc(44)
            put_escaped(tail, at, i, 0)
            at = i + 1
    print("]}")


def do_rest(is_policy: bool):
    """The commands that take the rest of the line."""
    at = next_at
    while at < line_end and line[at] == 32:
        at += 1
    if at == line_end:
        fail("a text is needed", 6)
    elif is_policy:
        policy(view(line, at, line_end - at))
        if not failed():
            print("{\"ok\":true}")
    else:
        count = llm(view(line, at, line_end - at), data)
        if not failed():
            put_field("{\"ok\":true,\"answer\":", data, 0, count)
            print("}")


def do_help():
    write("{\"ok\":true,\"commands\":[\"ls PATH [SKIP]\",\"stat PATH\",")
    write("\"cat PATH [OFFSET [LENGTH]]\",\"resolve PATH\",\"run PATH [FUEL]\",\"log [N]\",")
    print("\"ask TEXT\",\"policy JSON\",\"help\",\"exit\"]}")


def obey():
    if not next_word():
        fail("no command; help lists them", 6)
    elif word_is(b"ls"):
        do_ls()
    elif word_is(b"stat"):
        do_stat()
    elif word_is(b"cat"):
        do_cat()
    elif word_is(b"resolve"):
        do_resolve()
    elif word_is(b"run"):
        do_run()
    elif word_is(b"log"):
        do_log()
    elif word_is(b"policy"):
        do_rest(True)
    elif word_is(b"ask"):
        do_rest(False)
    elif word_is(b"help"):
        do_help()
    elif word_is(b"exit"):
        print("{\"ok\":true}")
        exit(0)
    else:
        fail("no such command; help lists them", 6)


while True:
    line_end = input_line(line)
    if err() == 1:
        print("llm shell: ready; there is no input now")
        exit(0)
    if err() > 0:
        exit(0 if err() == 14 else 1)
    next_at = 0
    obey()
