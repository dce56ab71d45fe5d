"""Policy: narrows what all later stages may do.

The rules are those of /boot/policy.json, or, where there is none, the ones
below. A file that is there and cannot be understood stops the boot: a system
that asked for rules must not start without them.
"""

from pxi import *

FILE = "/boot/policy.json"
NOT_FOUND = 2
MAX_POLICY = 65536

# A model may be asked once a second, 64 KiB at most, and say 1024 tokens each time
# and 100,000 in all; files and contents are free.
DEFAULT = (
    '{"llm_per_minute": 60, "llm_prompt_bytes": 65536, '
    '"llm_answer_tokens": 1024, "llm_tokens": 100000}'
)

fields: list[u32] = [0] * 8


def fail(why: str):
    log(why, 2, "policy-failed")
    exit(1)


def show(text: bytearray, length: int):
    write("policy: ")
    write(view(text, 0, length))
    write("\n")


def from_file(size: int):
    text = bytearray(size + 1)
    length = 0
    while length < size:
        got = read(FILE, view(text, length, size - length), length)
        if err() != 0:
            fail("/boot/policy.json cannot be read")
        if got == 0:
            break
        length += got
    # What is narrowed could no longer be read by its path: it is shown first.
    show(text, length)
    policy(view(text, 0, length))
    if err() != 0:
        fail("/boot/policy.json is no policy")


kind = stat(FILE, fields)
if err() == NOT_FOUND:
    policy(DEFAULT)
    if err() != 0:
        fail("the built-in policy is refused")
    print("policy:", DEFAULT, "(built in)")
elif err() != 0 or kind != 1:
    fail("/boot/policy.json is no file that can be read")
elif fields[1] != 0 or fields[2] > MAX_POLICY:
    fail("/boot/policy.json is too long")
else:
    check(FILE)
    if err() != 0:
        fail("/boot/policy.json is not what its digest says")
    from_file(int(fields[2]))
