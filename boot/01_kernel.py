"""Kernel: takes stock of the machine - memory map, system calls, log - and fails
if something is missing that the later stages cannot do without."""

from pxi import *

NOT_SUPPORTED = 1

needed_missing = 0
buffer = bytearray(256)
fields: list[u32] = [0] * 8


def report(name: str, number: int, is_needed: bool):
    """One line of the table of system calls, from the error of the last call."""
    global needed_missing
    if err() == NOT_SUPPORTED:
        if is_needed:
            needed_missing += 1
            print("  ", number, name, "MISSING")
        else:
            print("  ", number, name, "not here")
    else:
        print("  ", number, name, "ok")


def memory_map():
    """From the header of the module itself (docs/pxi-isa.md, PXIM 2.0)."""
    length = peek(3)
    wanted = peek(4)
    print("memory: header 0 to 15, code 16 to", peek(13) - 1, end="")
    print(", data to", length - 1, end="")
    if wanted > length:
        print(", heap to", wanted - 1, end="")
    print()


def self_test():
    """Arithmetic and memory, as far as a program can doubt them."""
    words: list[u32] = [0] * 4
    words[1] = 0xDEADBEEF
    a = 123456
    assert a // 7 == 17636 and a % 7 == 4 and -a // 7 == -17637
    assert words[1] >> 16 == 0xDEAD and words[1] & 0xFFFF == 0xBEEF and words[2] == 0
    buffer[5] = 200
    assert buffer[5] == 200 and buffer[4] == 0
    buffer[5] = 0


def system_calls():
    print("system calls:")
    time()
    report("TIME", 4, False)
    random()
    report("RANDOM", 5, False)
    stat("/", fields)
    report("STAT", 7, True)
    list_names("/", buffer)
    report("LIST", 8, True)
    read("/", buffer)
    report("READ", 9, True)
    check("/")
    report("CHECK", 11, True)
    requires("/", buffer)
    report("REQUIRES", 12, True)
    journal(view(buffer, 0, 1))
    report("JOURNAL", 20, False)


self_test()
memory_map()
system_calls()
if needed_missing > 0:
    log("system calls that a boot needs are missing", 2, "kernel")
    exit(1)
log("memory, arithmetic and system calls are as they should be", 0, "kernel")
