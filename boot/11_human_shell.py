"""The shell for a person at a terminal: a prompt, commands, words for answers.

`help` lists the commands. Paths may be relative to the directory that `cd`
chose; a word that holds blanks is written in double quotes. No line can stop
this program; it ends by `exit` and at the end of input.
"""

from pxi import *

LINE = 4096
CHUNK = 16384
WINDOW = 320000
MOST_DEPTH = 8
# Bytes that one command shows, of files and of names: its fuel is that of a stage.
MOST_SHOWN = 262144
MOST_NAMES = 131072
MOST_FUEL = 8000000
HEAP = 380000

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
# Of each directory that find is in, the names that fit.
levels = bytearray((MOST_DEPTH + 1) * LINE)
cwd = bytearray(LINE)
cwd_end = 1
path = bytearray(2 * LINE)
path_end = 0
tail = bytearray(65536)
window: list[u32] = [0] * WINDOW
fields: list[u32] = [0] * 8
line_end = 0
next_at = 0
word_at = 0
word_end = 0
value_at = 0
value_end = 0
found = 0


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


def decimal_size(high: u32, low: u32) -> int:
    """Characters of a size, as far as columns need it."""
    if high > 0:
        return 10
    count = 1
    while low >= 10:
        low //= 10
        count += 1
    return count


def put_name(text: bytearray, start: int, end: int):
    """A name, without what would break the line; the host escapes the rest."""
    run_at = start
    for at in range(start, end):
        if text[at] == 10 or text[at] == 9:
            write(view(text, run_at, at - run_at))
            putc(63)
            run_at = at + 1
    write(view(text, run_at, end - run_at))


def complain(command: str, why: str):
    print(command, ": ", why, sep="")


def failed(command: str) -> bool:
    """Whether the last call about `path` gave an error; then it is told."""
    code = err()
    if code == 0:
        return False
    write(command)
    write(": ")
    put_name(path, 0, path_end)
    write(": ")
    put_reason(code)
    print()
    return True


def path_push(text: bytearray, start: int, end: int) -> bool:
    """Puts one part of a path behind `path`; whether it fits."""
    global path_end
    if start == end or (end - start == 1 and text[start] == 46):
        return True
    if end - start == 2 and text[start] == 46 and text[start + 1] == 46:
        while path_end > 1 and path[path_end - 1] != 47:
            path_end -= 1
        path_end = max(path_end - 1, 1)
        return True
    if path_end + 1 + end - start > LINE:
        return False
    if path_end > 1:
        path[path_end] = 47
        path_end += 1
    to = path_end
    for i in range(start, end):
        path[to] = text[i]
        to += 1
    path_end = to
    return True


def path_add(text: bytearray, start: int, end: int) -> bool:
    """Puts a relative path behind `path`, part by part."""
    first = start
    for at in range(start, end):
        if text[at] == 47:
            if not path_push(text, first, at):
                return False
            first = at + 1
    return path_push(text, first, end)


def path_of_word(has_word: bool) -> bool:
    """The path that the word means, or the directory itself, into `path`."""
    global path_end
    path[0] = 47
    path_end = 1
    if not has_word:
        return path_add(cwd, 0, cwd_end)
    fits = True
    if word_at == word_end or line[word_at] != 47:
        fits = path_add(cwd, 0, cwd_end)
    fits = fits and path_add(line, word_at, word_end)
    if not fits:
        print("the path is too long")
    return fits


def want_path(command: str) -> bool:
    if not next_word():
        complain(command, "a path is needed")
        return False
    return path_of_word(True)


def do_cd():
    global cwd_end
    if not next_word():
        cwd_end = 1
        return
    if not path_of_word(True):
        return
    kind = stat(view(path, 0, path_end), fields)
    if failed("cd"):
        return
    if kind != 2:
        write("cd: ")
        put_name(path, 0, path_end)
        print(": not a directory")
        return
    for i in range(path_end):
        cwd[i] = path[i]
    cwd_end = path_end


def put_entry(is_long: bool):
    """What the file at `path` is: columns, or a slash behind a directory."""
    kind = stat(view(path, 0, path_end), fields)
    known = err() == 0
    if not is_long:
        return known and kind == 2
    word = "file" if kind == 1 else "dir " if kind == 2 else "-   "
    write(word if known else "?   ")
    pad = 12
    if known and kind == 1:
        pad = 12 - decimal_size(fields[1], fields[2])
    while pad > 0:
        putc(32)
        pad -= 1
    if known and kind == 1:
        put_big(fields[1], fields[2])
        write("  0x")
        put_hex(fields[3], 8)
        write("  ")
    else:
        write("              ")
    return known and kind == 2


def put_listed(text: bytearray, start: int, end: int, is_long: bool):
    """A line of ls: a name of the directory at `path`, which stays as it is."""
    global path_end
    keep = path_end
    is_dir = False
    if path_push(text, start, end):
        is_dir = put_entry(is_long)
    path_end = keep
    put_name(text, start, end)
    print("/" if is_dir else "")


def do_ls():
    is_long = False
    has_word = next_word()
    if has_word and word_is(b"-l"):
        is_long = True
        has_word = next_word()
    if not path_of_word(has_word):
        return
    kind = stat(view(path, 0, path_end), fields)
    if failed("ls"):
        return
    if kind != 2:
        put_entry(is_long)
        put_name(path, 0, path_end)
        print()
        return
    shown = 0
    cost = 0
    size, count = list_names(view(path, 0, path_end), data)
    while size > 0 and cost < MOST_NAMES:
        start = 0
        for at in range(size):
            if data[at] == 0:
                put_listed(data, start, at, is_long)
                start = at + 1
                shown += 1
        # A line costs more than its bytes.
        cost += size + 32 * int(count)
        size, count = list_names(view(path, 0, path_end), data, shown)
    if failed("ls"):
        return
    if size > 0:
        print("ls: there are more names")


def find_below(depth: int):
    """Prints the paths below `path`, as deep as there is room for names."""
    global path_end, found
    keep = path_end
    base = depth * LINE
    skip = 0
    size, count = list_names(view(path, 0, path_end), view(levels, base, LINE))
    if failed("find"):
        return
    while size > 0:
        start = base
        for at in range(base, base + size):
            if levels[at] != 0:
                continue
            if found >= MOST_NAMES:
                return
            if path_push(levels, start, at):
                # A path costs more than its bytes.
                found += path_end + 32
                put_name(path, 0, path_end)
                print()
                kind = stat(view(path, 0, path_end), fields)
                if err() == 0 and kind == 2 and depth < MOST_DEPTH:
                    find_below(depth + 1)
            path_end = keep
            start = at + 1
        skip += int(count)
        size, count = list_names(view(path, 0, path_end), view(levels, base, LINE), skip)


def do_find():
    global found
    found = 0
    if path_of_word(next_word()):
        find_below(0)
        if found >= MOST_NAMES:
            print("find: there are more names")


def do_stat():
    if not want_path("stat"):
        return
    kind = stat(view(path, 0, path_end), fields)
    if failed("stat"):
        return
    put_name(path, 0, path_end)
    print(":", "file" if kind == 1 else "directory" if kind == 2 else "other", end="")
    if kind == 1:
        write(", ")
        put_big(fields[1], fields[2])
        write(" bytes, id 0x")
        put_hex(fields[3], 8)
    write(", mode ")
    for i in range(4):
        putc(48 + int(fields[4] >> (9 - 3 * i) & 7))
    print(", modified", fields[5])


def do_cat():
    if not want_path("cat"):
        return
    offset = number_or(0)
    if offset < 0:
        complain("cat", "OFFSET is a number")
        return
    shown = 0
    count = CHUNK
    last = 10
    while count > 0 and shown < MOST_SHOWN:
        count = read(view(path, 0, path_end), data, offset + shown)
        if failed("cat"):
            return
        if count == CHUNK:
            count = whole_characters(count)
        if count > 0:
            write(view(data, 0, count))
            last = data[count - 1]
            shown += count
    if last != 10:
        print()
    if count > 0:
        print("cat: there may be more, from offset", offset + shown)


def do_resolve():
    if not want_path("resolve"):
        return
    id = resolve(view(path, 0, path_end))
    if not failed("resolve"):
        write("0x")
        put_hex(id, 8)
        print()


def do_run():
    if not want_path("run"):
        return
    fuel = number_or(1000000)
    if fuel < 1 or fuel > MOST_FUEL:
        complain("run", "FUEL is a number, 1 to 8000000")
        return
    pixels, id = module(view(path, 0, path_end), addr_of(window), WINDOW)
    if failed("run"):
        return
    state, detail, steps = run(addr_of(window), pixels, fuel, 1)
    if failed("run"):
        return
    count = stopped(data)
    write("run: " if state == 0 and detail == 0 else "run failed: ")
    write(view(data, 0, count))
    print(" after", steps, "steps")


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


def string_end(at: int, end: int) -> int:
    """Behind the closing quote of the JSON string that begins at `at`."""
    at += 1
    while at < end:
        if tail[at] == 34:
            return at + 1
        if tail[at] == 92:
            at += 1
        at += 1
    return end


def find_text(key: bytes, start: int, end: int) -> bool:
    """The text of a field of a line of the log into value_at, value_end."""
    global value_at, value_end
    at = start
    while at < end:
        if tail[at] != 34:
            at += 1
            continue
        close = string_end(at, end)
        is_it = close - at == len(key) + 2 and close + 1 < end and tail[close] == 58
        for i in range(len(key)):
            is_it = is_it and tail[at + 1 + i] == key[i]
        at = close
        if is_it and tail[close + 1] == 34:
            value_at = close + 2
            value_end = string_end(close + 1, end) - 1
            return True
        if at < end and tail[at] == 58 and tail[at - 1] == 34:
            at += 1
            if at < end and tail[at] == 34:
                at = string_end(at, end)
    return False


def put_line(start: int, end: int):
    """A line of the log for people: its level and what happened."""
    if find_text(b"level", start, end):
        write(view(tail, value_at, value_end - value_at))
        for i in range(value_end - value_at, 6):
            putc(32)
    if not find_text(b"message", start, end):
        print("(a line that is not understood)")
        return
    at = value_at
    run_at = at
    while at < value_end:
        if tail[at] != 92:
            at += 1
            continue
        write(view(tail, run_at, at - run_at))
        run_at = at + 1
        at += 2
    write(view(tail, run_at, max(value_end - run_at, 0)))
    print()


def do_log():
    wanted = number_or(20)
    if wanted < 1:
        complain("log", "N is a number, not 0")
        return
    size = journal(view(tail, 0, 1))
    if err() > 0:
        put_reason(err())
        print()
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
    at = first
    for i in range(first, size):
        if tail[i] == 10:
            put_line(at, i)
            at = i + 1


def do_echo():
    at = next_at
    while at < line_end and line[at] <= 32:
        at += 1
    put_name(line, at, line_end)
    print()


def do_help():
    print("cd [PATH]           change the directory")
    print("pwd                 where you are")
    print("ls [-l] [PATH]      names; -l: kind, size and id, too")
    print("find [PATH]         all paths below, 9 levels at most")
    print("cat PATH [OFFSET]   show a file")
    print("stat PATH           what is known of a file")
    print("resolve PATH        the pixel id of a file")
    print("run PATH [FUEL]     run a module, FUEL steps at most")
    print("log [N]             the last N lines of the boot log")
    print("echo TEXT           print a text")
    print("exit                leave the shell")


def obey():
    if not next_word():
        return
    if word_is(b"cd"):
        do_cd()
    elif word_is(b"pwd"):
        put_name(cwd, 0, cwd_end)
        print()
    elif word_is(b"ls"):
        do_ls()
    elif word_is(b"find"):
        do_find()
    elif word_is(b"cat"):
        do_cat()
    elif word_is(b"stat"):
        do_stat()
    elif word_is(b"resolve"):
        do_resolve()
    elif word_is(b"run"):
        do_run()
    elif word_is(b"log"):
        do_log()
    elif word_is(b"echo"):
        do_echo()
    elif word_is(b"help"):
        do_help()
    elif word_is(b"exit"):
        exit(0)
    else:
        put_name(line, word_at, word_end)
        print(": no such command; help lists them")


cwd[0] = 47
while True:
    if argument(0) == 1:
        write("pxos:")
        put_name(cwd, 0, cwd_end)
        write("$ ")
    line_end = input_line(line)
    code = err()
    if code == 1:
        print("human shell: ready; there is no input now")
        exit(0)
    if code > 0:
        print()
        exit(0 if code == 14 else 1)
    next_at = 0
    obey()
