"""Watches the other stages: reads the boot's log so far and warns of what went wrong.

It counts stages done and failed, traps, stages out of fuel and calls that the
policy refused, and names the stage with the most steps. Each stage that failed,
was refused calls, or took more than half its fuel gets a warning with the event
"guardian". It changes nothing and stops nobody.
"""

from pxi import *

# Bytes of the log that are read: what more there is must cost no more fuel.
MOST_LOG = 131072
MOST_SEQUENCE = 65536
MOST_STAGES = 64
# Steps of a stage whose fuel the boot sequence does not give.
FUEL = 10000000
HEAP = 60000

# Events that say that a stage failed, in lines of warning or error.
FAILURES = (
    b"missing;unreadable;digest-mismatch;requires;cycle;not-a-program;bad-header;bad-import;"
    b"out-of-fuel;exit;trap;"
)

text = bytearray(MOST_LOG + MOST_SEQUENCE)
size = 0
# The boot sequence lies behind the log.
sequence_end = MOST_LOG
message = bytearray(1024)
message_end = 0
value_at = 0
value_end = 0
# Of each stage: its path in `text`, its steps, its failure's event in `text`
# (0: none), and calls refused.
stages = 0
latest = 0
path_at = [0] * MOST_STAGES
path_end = [0] * MOST_STAGES
path_hash = [0] * MOST_STAGES
steps: list[u32] = [0] * MOST_STAGES
failure_at = [0] * MOST_STAGES
failure_end = [0] * MOST_STAGES
refused = [0] * MOST_STAGES
is_done = [False] * MOST_STAGES
traps = 0
starved = 0
denied = 0
warnings = 0


def string_end(at: int, end: int) -> int:
    """Behind the closing quote of the JSON string that begins at `at`."""
    # Read from a register in each round; `text` would be from memory.
    here = text
    at += 1
    while at < end:
        c = here[at]
        if c == 34:
            return at + 1
        if c == 92:
            at += 1
        at += 1
    return end


def is_text(word: bytes, start: int, end: int) -> bool:
    if end - start != len(word):
        return False
    for i in range(len(word)):
        if text[start + i] != word[i]:
            return False
    return True


def find_field(key: bytes, start: int, end: int) -> bool:
    """A field of the JSON object that begins at `start`, or of the one that `start`
    is in; its value, without quotes, into value_at, value_end."""
    global value_at, value_end
    depth = 0 if text[start] == 123 else 1
    at = start
    while at < end:
        c = text[at]
        if c == 123 or c == 91:
            depth += 1
        elif c == 125 or c == 93:
            depth -= 1
            if depth <= 0:
                return False
        if c != 34:
            at += 1
            continue
        name = at
        at = string_end(at, end)
        close = at
        while at < end and text[at] <= 32:
            at += 1
        if depth != 1 or at >= end or text[at] != 58:
            continue
        at += 1
        while at < end and text[at] <= 32:
            at += 1
        value = at
        if at < end and text[at] == 34:
            at = string_end(at, end)
        if not is_text(key, name + 1, close - 1):
            continue
        value_at = value
        value_end = at
        if at > value:
            value_at = value + 1
            value_end = max(at - 1, value_at)
        while value_end < end and at == value and text[value_end] >= 46 and text[value_end] < 58:
            value_end += 1
        return True
    return False


def find_next(key: bytes, start: int, end: int) -> bool:
    """A field that most often stands behind the one that was found last."""
    after = value_end + 1
    return (after < end and find_field(key, after, end)) or find_field(key, start, end)


def value_is(word: bytes) -> bool:
    return is_text(word, value_at, value_end)


def value_number() -> u32:
    """The field's value as a number, 0xFFFFFFFF if it is greater."""
    n: u32 = 0
    for at in range(value_at, value_end):
        c = text[at]
        if c < 48 or c > 57:
            break
        if n >= 429496729:
            return 0xFFFFFFFF
        n = n * 10 + u32(c - 48)
    return n


def is_failure() -> bool:
    """Whether the field's value is an event of a failure."""
    start = 0
    for at in range(len(FAILURES)):
        if FAILURES[at] == 59:
            if at - start == value_end - value_at:
                i = 0
                while start + i < at and FAILURES[start + i] == text[value_at + i]:
                    i += 1
                if start + i == at:
                    return True
            start = at + 1
    return False


def is_path(n: int) -> bool:
    """Whether the field's value is the path of a stage."""
    length = value_end - value_at
    if path_end[n] - path_at[n] != length:
        return False
    i = 0
    while i < length and text[path_at[n] + i] == text[value_at + i]:
        i += 1
    return i == length


def value_hash() -> int:
    """A number that most paths have for themselves."""
    h = 0
    here = text
    for at in range(value_at, value_end):
        h = (h * 31 + here[at]) & 0xFFFFFF
    return h


def stage_of_value() -> int:
    """The number of the stage whose path the field has; -1 if there are too many."""
    global stages, latest
    if latest < stages and is_path(latest):
        return latest
    h = value_hash()
    for n in range(stages):
        if path_hash[n] == h and is_path(n):
            latest = n
            return n
    if stages == MOST_STAGES:
        return -1
    path_at[stages] = value_at
    path_end[stages] = value_end
    path_hash[stages] = h
    latest = stages
    stages += 1
    return latest


def read_line(start: int, end: int):
    """Takes a line of the log into account."""
    global traps, starved, denied
    if not find_field(b"level", start, end):
        return
    is_bad = not value_is(b"info")
    if not find_next(b"path", start, end):
        return
    n = stage_of_value()
    if n < 0 or not find_next(b"event", start, end):
        return
    if value_is(b"ran"):
        if find_next(b"steps", start, end):
            steps[n] = value_number()
    elif value_is(b"stage-complete") or value_is(b"resumed"):
        is_done[n] = True
    elif value_is(b"denied"):
        denied += 1
        refused[n] += 1
    elif is_bad and is_failure():
        failure_at[n] = value_at
        failure_end[n] = value_end
        if value_is(b"trap"):
            traps += 1
        if value_is(b"out-of-fuel"):
            starved += 1


def read_log() -> bool:
    """Reads the log; whether there is one."""
    global size
    size = journal(view(text, 0, MOST_LOG))
    if err() > 0:
        return False
    start = 0
    end = size
    here = text
    for at in range(end):
        if here[at] == 10:
            read_line(start, at)
            start = at + 1
    return True


def read_sequence():
    """Reads the boot sequence, if the root has one: it may give stages their fuel."""
    global sequence_end
    room = MOST_SEQUENCE
    count = read("/boot_sequence.json", view(text, MOST_LOG, room))
    if err() > 0:
        count = read("/boot/boot_sequence.json", view(text, MOST_LOG, room))
    sequence_end = MOST_LOG + count


def fuel_of(n: int) -> u32:
    """The fuel of a stage: that of the sequence's object with its path."""
    at = MOST_LOG
    while at < sequence_end:
        c = text[at]
        if c == 34:
            at = string_end(at, sequence_end)
            continue
        if c == 123 and find_field(b"path", at, sequence_end):
            if is_path(n) and find_field(b"fuel", at, sequence_end):
                return value_number()
        at += 1
    return FUEL


def put(part: bytes):
    put_part(addr_of(part), len(part))


def put_part(address: int, length: int):
    """Puts bytes behind the message, as far as there is room."""
    global message_end
    for i in range(min(length, len(message) - message_end)):
        message[message_end] = peek_byte(address + i) & 255
        message_end += 1


def put_number(n: u32):
    global message_end
    if n >= 10:
        put_number(n // 10)
    if message_end < len(message):
        message[message_end] = 48 + n % 10
        message_end += 1


def put_path(n: int):
    # Longer ones are cut: what happened stands behind.
    put_part(addr_of(text) + path_at[n], min(path_end[n] - path_at[n], 800))


def warn():
    """Logs the message that was put together."""
    global warnings, message_end
    log(view(message, 0, message_end), 1, "guardian")
    warnings += 1
    message_end = 0


def warn_of(n: int):
    """Warns of what is wrong with a stage."""
    if failure_end[n] > 0:
        put_path(n)
        put(b" failed: ")
        put_part(addr_of(text) + failure_at[n], failure_end[n] - failure_at[n])
        warn()
    if refused[n] > 0:
        put_path(n)
        put(b" was refused calls: ")
        put_number(u32(refused[n]))
        warn()
    if steps[n] > 0:
        fuel = fuel_of(n)
        if steps[n] > fuel // 2:
            put_path(n)
            put(b" took ")
            put_number(steps[n])
            put(b" of ")
            put_number(fuel)
            put(b" steps")
            warn()


def report():
    done = 0
    failed = 0
    most = -1
    for n in range(stages):
        if is_done[n]:
            done += 1
        if failure_end[n] > 0:
            failed += 1
        if steps[n] > 0 and (most < 0 or steps[n] > steps[most]):
            most = n
        warn_of(n)
    print("guardian:", done, "stages done,", failed, "failed,", traps, "traps,", end=" ")
    print(starved, "out of fuel,", denied, "calls refused", end="")
    if most >= 0:
        print("; most steps: ", end="")
        write(view(text, path_at[most], path_end[most] - path_at[most]))
        print("", steps[most], end="")
    print()
    if size == MOST_LOG:
        print("guardian: the log is longer than what was read")
    if warnings == 0:
        print("guardian: nothing to report")


if read_log():
    read_sequence()
    report()
else:
    print("guardian: there is no log to watch")
exit(0)
