"""BIOS, and the boot kernel made of pixels.

As a stage, hosted or native, it checks what the boot will load: every stage's
digest. Booted natively (`pxboot --native`) it is the only program that the host
loads, and it walks the boot sequence itself: reads it, resolves and loads each
module, runs it with its fuel, decides what a failure means, and logs. What the
host gives it, and which events it must log, is in docs/boot.md.
"""

from pxi import *

HEAP = 1 << 16

# Bits of the flags that the host gives.
DRY_RUN = 1
HUMAN_SHELL = 2
LLM_SHELL = 4
GIVEN = 8

# Errors of system calls, and events that tell of them.
NOT_FOUND = 2
NO_ROOM = 5
DIGEST = 8
BAD_MODULE = 9
REQUIRES_ERROR = 16
NOT_A_PROGRAM = 17
IMPORT = 18

MAX_STAGES = 256
MAX_DEPTH = 64
MAX_SEQUENCE = 1 << 17

# What became of a stage.
NOT_YET = 0
DONE = 1
FAILED = 2

# Texts: each is an offset into `pool` and a length.
pool = bytearray(1 << 16)
pool_used = 0

stage_count = 0
label_at = [0] * MAX_STAGES
label_len = [0] * MAX_STAGES
name_at = [0] * MAX_STAGES
name_len = [0] * MAX_STAGES
path_at = [0] * MAX_STAGES
path_len = [0] * MAX_STAGES
needed = [False] * MAX_STAGES
fuel_of: list[u32] = [0] * MAX_STAGES
state = [0] * MAX_STAGES

# The paths from the stage that is being loaded to what is looked at now.
chain_at = [0] * MAX_DEPTH
chain_len = [0] * MAX_DEPTH
chain = 0

done = 0
skipped = 0
failed = 0

line = bytearray(8192)
line_len = 0

flags = 0
free_from = 0
free_to = 0


# Lines of the log

def begin():
    global line_len
    line_len = 0


def put_byte(c: int):
    global line_len
    if line_len < len(line):
        line[line_len] = c
        line_len += 1


def put(text: str):
    start = addr_of(text)
    for i in range(len(text)):
        put_byte(peek_byte(start + i))


def put_pool(at: int, length: int):
    for i in range(length):
        put_byte(pool[at + i])


def put_number(n: u32):
    if n >= 10:
        put_number(n // 10)
    put_byte(int(n % 10) + 48)


def put_hex(n: u32):
    for i in range(8):
        digit = int((n >> (28 - 4 * i)) & 15)
        put_byte(digit + 48 if digit < 10 else digit + 55)


def put_id(id: u32):
    put("id=0x")
    put_hex(id)
    put("\t")


def say(level: int, event: str):
    log(view(line, 0, line_len), level, event)


# Texts

def keep(c: int):
    global pool_used
    if pool_used >= len(pool):
        give_up("the boot sequence has too much text")
    pool[pool_used] = c
    pool_used += 1


def same(a: int, a_len: int, b: int, b_len: int) -> bool:
    if a_len != b_len:
        return False
    for i in range(a_len):
        if pool[a + i] != pool[b + i]:
            return False
    return True


def pool_is(at: int, length: int, text: str) -> bool:
    if length != len(text):
        return False
    start = addr_of(text)
    for i in range(length):
        if pool[at + i] != peek_byte(start + i):
            return False
    return True


def give_up(why: str):
    begin()
    put("Boot kernel: ")
    put(why)
    say(2, "failed")
    exit(1)


def digit(number: u32, c: int) -> u32:
    """The number with a digit behind it; as many steps as there can be if it does not fit."""
    if number > 429496728:
        return 0xFFFFFFFF
    return number * 10 + u32(c - 48)


# The sequence, as lines that the host gives: number, name, path, required, fuel

def read_lines(start: int, length: int):
    global stage_count
    at = start
    end = start + length
    while at < end and stage_count < MAX_STAGES:
        field = 0
        begins = pool_used
        number: u32 = 0
        while at < end:
            c = peek_byte(at)
            at += 1
            if c == 9 or c == 10:
                if field == 0:
                    label_at[stage_count] = begins
                    label_len[stage_count] = pool_used - begins
                elif field == 1:
                    name_at[stage_count] = begins
                    name_len[stage_count] = pool_used - begins
                elif field == 2:
                    path_at[stage_count] = begins
                    path_len[stage_count] = pool_used - begins
                elif field == 3:
                    needed[stage_count] = number == 1
                else:
                    fuel_of[stage_count] = number
                field += 1
                begins = pool_used
                number = 0
                if c == 10:
                    break
            elif field < 3:
                keep(c)
            else:
                number = digit(number, c)
        stage_count += 1
    if at < end:
        give_up("the boot sequence has too many stages")


# The sequence, as the JSON that lies in the root

source = bytearray(1)
source_len = 0
at = 0


def read_source(path: str) -> bool:
    """Reads the whole file into `source`; whether there is one."""
    global source, source_len
    fields: list[u32] = [0] * 8
    if stat(path, fields) != 1 or fields[1] != 0 or fields[2] > MAX_SEQUENCE:
        return False
    size = int(fields[2])
    source = bytearray(size + 1)
    source_len = 0
    while source_len < size:
        got = read(path, view(source, source_len, size - source_len), source_len)
        if err() != 0:
            give_up("the boot sequence cannot be read")
        if got == 0:
            break
        source_len += got
    return True


def bad_json():
    begin()
    put("Boot kernel: the boot sequence is no JSON that it understands, at byte ")
    put_number(u32(at))
    say(2, "failed")
    exit(1)


def peek_json() -> int:
    """The next character that is no blank; it stays. -1 at the end."""
    global at
    while at < source_len:
        c = source[at]
        if c != 32 and c != 9 and c != 10 and c != 13:
            return c
        at += 1
    return -1


def take_json(c: int) -> bool:
    global at
    if peek_json() != c:
        return False
    at += 1
    return True


def need_json(c: int):
    if not take_json(c):
        bad_json()


def hex_digit(c: int) -> int:
    if c >= 48 and c <= 57:
        return c - 48
    if c >= 97 and c <= 102:
        return c - 87
    if c >= 65 and c <= 70:
        return c - 55
    bad_json()
    return 0


def hex_four() -> int:
    global at
    value = 0
    for i in range(4):
        if at >= source_len:
            bad_json()
        value = value * 16 + hex_digit(source[at])
        at += 1
    return value


def keep_utf8(c: int):
    if c < 0x80:
        keep(c)
    elif c < 0x800:
        keep(0xC0 | c >> 6)
        keep(0x80 | c & 63)
    elif c < 0x10000:
        keep(0xE0 | c >> 12)
        keep(0x80 | c >> 6 & 63)
        keep(0x80 | c & 63)
    else:
        keep(0xF0 | c >> 18)
        keep(0x80 | c >> 12 & 63)
        keep(0x80 | c >> 6 & 63)
        keep(0x80 | c & 63)


def escape_json():
    """What stands behind a backslash."""
    global at
    if at >= source_len:
        bad_json()
    c = source[at]
    at += 1
    if c == ord("u"):
        code = hex_four()
        if code >= 0xD800 and code < 0xDC00:
            if at + 1 >= source_len or source[at] != 92 or source[at + 1] != ord("u"):
                bad_json()
            at += 2
            low = hex_four()
            if low < 0xDC00 or low > 0xDFFF:
                bad_json()
            code = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00
        keep_utf8(code)
    elif c == ord("n"):
        keep(10)
    elif c == ord("t"):
        keep(9)
    elif c == ord("r"):
        keep(13)
    elif c == ord("b"):
        keep(8)
    elif c == ord("f"):
        keep(12)
    elif c == 34 or c == 92 or c == 47:
        keep(c)
    else:
        bad_json()


def string_json() -> int:
    """Keeps a string; gives its offset, its length is up to `pool_used`."""
    global at
    need_json(34)
    begins = pool_used
    while True:
        if at >= source_len:
            bad_json()
        c = source[at]
        at += 1
        if c == 34:
            return begins
        if c == 92:
            escape_json()
        else:
            keep(c)


def word_json() -> int:
    """Keeps a number, true, false or null as it is written."""
    global at
    peek_json()
    begins = pool_used
    while at < source_len:
        c = source[at]
        is_word = c >= 48 and c <= 57 or c >= 97 and c <= 122
        if not is_word and c != 45 and c != 43 and c != 46 and c != 69:
            break
        keep(c)
        at += 1
    if pool_used == begins:
        bad_json()
    return begins


def skip_json(depth: int):
    """Passes over a value."""
    global pool_used
    if depth > 100:
        bad_json()
    begins = pool_used
    c = peek_json()
    if c == 34:
        string_json()
    elif c == 91:
        need_json(91)
        if not take_json(93):
            skip_json(depth + 1)
            while take_json(44):
                skip_json(depth + 1)
            need_json(93)
    elif c == 123:
        need_json(123)
        if not take_json(125):
            member_json(depth)
            while take_json(44):
                member_json(depth)
            need_json(125)
    else:
        word_json()
    pool_used = begins


def member_json(depth: int):
    string_json()
    need_json(58)
    skip_json(depth + 1)


def number_in_pool(begins: int) -> u32:
    value: u32 = 0
    for i in range(begins, pool_used):
        c = pool[i]
        if c < 48 or c > 57:
            return 0
        value = digit(value, c)
    return value


def stage_field(n: int):
    """One member of a stage's object."""
    global pool_used
    key = string_json()
    key_len = pool_used - key
    need_json(58)
    if pool_is(key, key_len, "stage"):
        begins = string_json() if peek_json() == 34 else word_json()
        if not pool_is(begins, pool_used - begins, "null"):
            label_at[n] = begins
            label_len[n] = pool_used - begins
    elif pool_is(key, key_len, "name") and peek_json() == 34:
        name_at[n] = string_json()
        name_len[n] = pool_used - name_at[n]
    elif pool_is(key, key_len, "path") and peek_json() == 34:
        path_at[n] = string_json()
        path_len[n] = pool_used - path_at[n]
    elif pool_is(key, key_len, "required"):
        begins = word_json()
        needed[n] = pool_is(begins, pool_used - begins, "true")
    elif pool_is(key, key_len, "fuel"):
        begins = word_json()
        fuel_of[n] = number_in_pool(begins)
    else:
        skip_json(0)


def keep_text(text: str) -> int:
    begins = pool_used
    start = addr_of(text)
    for i in range(len(text)):
        keep(peek_byte(start + i))
    return begins


def stage_json():
    global stage_count
    if stage_count >= MAX_STAGES:
        give_up("the boot sequence has too many stages")
    n = stage_count
    label_at[n] = keep_text("?")
    label_len[n] = 1
    name_at[n] = keep_text("Unknown")
    name_len[n] = 7
    need_json(123)
    if not take_json(125):
        stage_field(n)
        while take_json(44):
            stage_field(n)
        need_json(125)
    if path_len[n] == 0:
        give_up("a stage of the boot sequence has no path")
    stage_count += 1


def forget_stages():
    global stage_count
    for n in range(stage_count):
        path_len[n] = 0
        needed[n] = False
        fuel_of[n] = 0
    stage_count = 0


def top_json():
    """One member of the whole."""
    key = string_json()
    key_len = pool_used - key
    need_json(58)
    if not pool_is(key, key_len, "sequence"):
        skip_json(0)
        return
    # Of several the last one counts, as for the host.
    forget_stages()
    need_json(91)
    if not take_json(93):
        stage_json()
        while take_json(44):
            stage_json()
        need_json(93)


def read_json():
    need_json(123)
    if not take_json(125):
        top_json()
        while take_json(44):
            top_json()
        need_json(125)
    if peek_json() != -1:
        bad_json()


def read_sequence(lines: int, lines_len: int):
    """The root's own sequence; else, or if another was asked for, the host's."""
    if flags & GIVEN == 0:
        if read_source("/boot_sequence.json") or read_source("/boot/boot_sequence.json"):
            read_json()
    if stage_count == 0:
        read_lines(lines, lines_len)
    if stage_count == 0:
        give_up("the boot sequence is empty: there is nothing to boot")


# The walk

def put_stage(n: int):
    put_pool(label_at[n], label_len[n])


def stage_of(path: int, length: int) -> int:
    for n in range(stage_count):
        if same(path_at[n], path_len[n], path, length):
            return n
    return -1


def label_lines(n: int):
    """Log lines from here on are this stage's."""
    begin()
    put_stage(n)
    put_byte(9)
    put_pool(name_at[n], name_len[n])
    put_byte(9)
    put_pool(path_at[n], path_len[n])
    stage(view(line, 0, line_len))


def put_failure(n: int):
    """The beginning of the line that says why a stage failed."""
    begin()
    put("Stage ")
    put_stage(n)
    put(" (required) failed: " if needed[n] else " (optional) failed: ")
    put_pool(path_at[n], path_len[n])
    put(": ")


def put_then(n: int):
    if flags & DRY_RUN != 0:
        put("; boot would stop here" if needed[n] else "; would be skipped")
    else:
        put("; boot stops here" if needed[n] else "; skipped")


def fail(n: int, event: str):
    """Ends the line that `put_failure` began, and decides what it means."""
    global failed, skipped
    put_then(n)
    say(2 if needed[n] else 1, event)
    state[n] = FAILED
    if needed[n]:
        failed += 1
    else:
        skipped += 1


def load_event(error: int) -> str:
    if error == NOT_FOUND:
        return "missing"
    if error == DIGEST:
        return "digest-mismatch"
    if error == NOT_A_PROGRAM:
        return "not-a-program"
    if error == BAD_MODULE:
        return "bad-header"
    if error == IMPORT:
        return "bad-import"
    return "unreadable"


def load_reason(error: int) -> str:
    if error == NOT_FOUND:
        return "cannot read the module: not found"
    if error == DIGEST:
        return "the module's SHA-256 is not the one that the file system declares"
    if error == NOT_A_PROGRAM:
        return "not a picture of a program"
    if error == BAD_MODULE:
        return "its header or its code cannot be right"
    if error == IMPORT:
        return "what it imports cannot be had"
    if error == NO_ROOM:
        return "it wants more memory than there is"
    return "cannot read the module"


def fail_to_load(n: int, error: int):
    put_failure(n)
    put(load_reason(error))
    fail(n, load_event(error))


def run_stage(n: int) -> bool:
    """Runs a stage unless it ran already, because another requires it."""
    global done
    if state[n] != NOT_YET:
        return state[n] == DONE
    label_lines(n)
    begin()
    put("Stage ")
    put_stage(n)
    put(": ")
    put_pool(name_at[n], name_len[n])
    put(" (")
    put_pool(path_at[n], path_len[n])
    put(")")
    say(0, "stage")
    if not check_and_run(n):
        return False
    state[n] = DONE
    done += 1
    return True


def check_and_run(n: int) -> bool:
    global pool_used
    check(view(pool, path_at[n], path_len[n]))
    if err() != 0:
        fail_to_load(n, err())
        return False
    before = pool_used
    is_met = meet_all(n, path_at[n], path_len[n])
    pool_used = before
    if not is_met:
        return False
    label_lines(n)
    pixels, loaded_id = module(view(pool, path_at[n], path_len[n]), free_from, free_to - free_from)
    if err() != 0:
        fail_to_load(n, err())
        return False
    say_checked(n, loaded_id, pixels)
    if flags & DRY_RUN != 0:
        return True
    return launch(n, pixels, loaded_id)


def say_checked(n: int, id: u32, pixels: int):
    begin()
    put_id(id)
    put("Resolved: ")
    put_pool(path_at[n], path_len[n])
    put(" -> 0x")
    put_hex(id)
    say(0, "resolved")
    begin()
    put_id(id)
    put("Checked: ")
    put_number(u32(pixels))
    put(" pixels of memory, digest and code are right")
    say(0, "checked")


def launch(n: int, pixels: int, id: u32) -> bool:
    fuel = fuel_of[n] if fuel_of[n] > 0 else default_fuel
    how, detail, steps = run(free_from, pixels, fuel)
    if err() != 0:
        fail_to_load(n, BAD_MODULE)
        return False
    why = bytearray(512)
    why_len = stopped(why)
    begin()
    put_id(id)
    put("steps=")
    put_number(u32(steps))
    put("\t")
    put("Ran: ")
    for i in range(why_len):
        put_byte(why[i])
    put(" after ")
    put_number(u32(steps))
    put(" steps")
    say(0, "ran")
    if how == 0 and detail == 0:
        begin()
        put_id(id)
        put("Stage ")
        put_stage(n)
        put(" complete")
        say(0, "stage-complete")
        return True
    put_failure(n)
    if how == 0:
        put("ended with status ")
        put_number(u32(detail))
        fail(n, "exit")
    elif how == 1:
        put("out of fuel: not done after ")
        put_number(fuel)
        put(" steps (--fuel allows more)")
        fail(n, "out-of-fuel")
    else:
        put("trap: ")
        for i in range(why_len):
            put_byte(why[i])
        fail(n, "trap")
    return False


# What a module requires

def meet_all(n: int, path: int, length: int) -> bool:
    """Sees to all that a file requires; a failure is stage n's."""
    global chain
    if chain >= MAX_DEPTH:
        put_failure(n)
        put("its requirements nest deeper than 64")
        fail(n, "cycle")
        return False
    list_at = pool_used
    room = len(pool) - pool_used
    got = requires(view(pool, path, length), view(pool, list_at, room))
    if err() != 0:
        fail_requires(n, path, length)
        return False
    claim(got)
    chain_at[chain] = path
    chain_len[chain] = length
    chain += 1
    is_met = True
    begins = list_at
    for i in range(list_at, list_at + got):
        if pool[i] == 10:
            if is_met and i > begins:
                is_met = meet(n, begins, i - begins)
            begins = i + 1
    chain -= 1
    return is_met


def claim(length: int):
    global pool_used
    pool_used += length


def fail_requires(n: int, path: int, length: int):
    put_failure(n)
    put("requires ")
    put_pool(path, length)
    put(": it cannot be had")
    fail(n, "requires")


def meet(n: int, path: int, length: int) -> bool:
    for i in range(chain):
        if same(chain_at[i], chain_len[i], path, length):
            put_failure(n)
            put("its requirements lead in a circle: ")
            for j in range(i, chain):
                put_pool(chain_at[j], chain_len[j])
                put(" -> ")
            put_pool(path, length)
            fail(n, "cycle")
            return False
    other = stage_of(path, length)
    if other < 0:
        return meet_all(n, path, length)
    if state[other] == NOT_YET:
        label_lines(other)
        begin()
        put("Requires: ")
        put_pool(chain_at[chain - 1], chain_len[chain - 1])
        put(" needs ")
        put_pool(path, length)
        put(" first")
        say(0, "requires")
    is_done = run_stage(other)
    label_lines(n)
    if not is_done:
        put_failure(n)
        put("requires ")
        put_pool(path, length)
        put(", a stage that failed")
        fail(n, "requires")
    return is_done


def put_tally():
    put_number(u32(done))
    put(" stages done, ")
    put_number(u32(skipped))
    put(" optional skipped")


def finish():
    stage("")
    begin()
    put("Dry run " if flags & DRY_RUN != 0 else "Boot sequence ")
    if failed > 0:
        put("FAILED: ")
        put_tally()
        put(", ")
        put_number(u32(failed))
        put(" required failed")
        say(2, "failed")
        exit(1)
    put("COMPLETE: ")
    put_tally()
    say(0, "complete")


def walk():
    for n in range(stage_count):
        run_stage(n)
        if failed > 0 and flags & DRY_RUN == 0:
            break
    finish()


# As a stage: the digests of what the boot will load

def check_all():
    """Every module that is there must be what the file system says it is. That
    one is missing is for whoever wants to run it to say."""
    good = 0
    absent = 0
    for n in range(stage_count):
        check(view(pool, path_at[n], path_len[n]))
        if err() == 0:
            good += 1
        elif err() == NOT_FOUND:
            absent += 1
        elif err() == DIGEST:
            begin()
            put("digest of ")
            put_pool(path_at[n], path_len[n])
            put(" does not match")
            say(1, "bios-digest")
    print("pxOS BIOS:", stage_count, "stages,", good, "digests right,", absent, "missing")


def check_own():
    """What the root says that it boots, if it says so."""
    if read_source("/boot_sequence.json") or read_source("/boot/boot_sequence.json"):
        read_json()
        check_all()
    else:
        print("pxOS BIOS: the root has no boot sequence of its own")


def shell(path: str, name: str):
    """Leaves the terminal to a shell: it ends by ending."""
    pixels, id = module(path, free_from, free_to - free_from)
    if err() != 0:
        begin()
        put("the shell cannot be loaded: ")
        put(load_reason(err()))
        say(2, "failed")
        exit(1)
    log(name, 0, "shell")
    how, detail, steps = run(free_from, pixels, 0, 1)
    if how != 0 or detail != 0:
        exit(1)


default_fuel: u32 = argument(0)
if argument(4) != 0:
    # Behind what this module wants itself; before the lines of the host.
    flags = int(argument(1) & 0xFF)
    free_from = int(peek(4))
    free_to = int(argument(2) // 4)
    read_sequence(int(argument(2)), int(argument(3)))
    walk()
    if flags & HUMAN_SHELL != 0:
        shell("/boot/11_human_shell", "human")
    if flags & LLM_SHELL != 0:
        shell("/boot/10_llm_shell", "llm")
else:
    check_own()
