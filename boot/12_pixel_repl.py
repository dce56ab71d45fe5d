"""Runs pixels as they are typed: a line of assembly, or pixels in hex.

Each line becomes a small module in memory (PXIM 2.0) that fetches the registers
from the window, does what was typed, and puts them back; RUN runs it with
little fuel, so a trap costs only its line. Registers and the window's memory
stay from line to line, the stack does not. `help` says what can be typed.
"""

from pxi import *

LINE = 1024
# The window: header, code, the registers, then what is the user's.
WINDOW = 4096
USER_CODE = 33
MOST_PIXELS = 64
SAVED = 128
FREE = 256
FUEL = 100000
SAVED_STATUS = 4242

# The instructions: name, opcode, operands as kind, lowest bit, width.
# Kinds: r register, u and s number without and with a sign, p distance,
# m set of registers, c system call.
# table: begin (from src/pxi/isa; a test compares)
TABLE = (
    b"NOP 00;HALT FF;LOAD 10 r16.8 u8.8;STORE 11 r16.8 u8.8;ADD 20 r16.8 r8.8 r0.8;"
    b"SUB 21 r16.8 r8.8 r0.8;RET 33;PUSH 34 r16.8;POP 35 r16.8;DRAW 40 r16.8 r8.8 r0.8;"
    b"PRINT 41 r16.8;LI 12 r20.4 s0.20;LIH 13 r16.8 u0.16;MOV 14 r16.8 r8.8;LEA 15 r20.4 p0.20;"
    b"LD 50 r16.8 r8.8 s0.8;ST 51 r16.8 r8.8 s0.8;LDX 52 r16.8 r8.8 r0.8;STX 53 r16.8 r8.8 r0.8;"
    b"LDB 54 r16.8 r8.8 s0.8;STB 55 r16.8 r8.8 s0.8;LDBX 56 r16.8 r8.8 r0.8;"
    b"STBX 57 r16.8 r8.8 r0.8;COPY 58 r16.8 r8.8 r0.8;FILL 59 r16.8 r8.8 r0.8;"
    b"ADDW 60 r16.8 r8.8 r0.8;SUBW 61 r16.8 r8.8 r0.8;MULW 62 r16.8 r8.8 r0.8;"
    b"ADDV 64 r16.8 r8.8 r0.8;SUBV 65 r16.8 r8.8 r0.8;MULV 66 r16.8 r8.8 r0.8;"
    b"ADDU 68 r16.8 r8.8 r0.8;SUBU 69 r16.8 r8.8 r0.8;MULU 6A r16.8 r8.8 r0.8;"
    b"DIVS 6C r16.8 r8.8 r0.8;REMS 6D r16.8 r8.8 r0.8;DIVU 6E r16.8 r8.8 r0.8;"
    b"REMU 6F r16.8 r8.8 r0.8;DIVF 70 r16.8 r8.8 r0.8;MODF 71 r16.8 r8.8 r0.8;"
    b"AND 74 r16.8 r8.8 r0.8;OR 75 r16.8 r8.8 r0.8;XOR 76 r16.8 r8.8 r0.8;"
    b"SHL 78 r16.8 r8.8 r0.8;SHR 79 r16.8 r8.8 r0.8;SAR 7A r16.8 r8.8 r0.8;"
    b"SHLV 7B r16.8 r8.8 r0.8;SHLU 7C r16.8 r8.8 r0.8;ADDI 80 r16.8 r8.8 s0.8;"
    b"ADDIV 81 r16.8 r8.8 s0.8;ADDIU 82 r16.8 r8.8 s0.8;ANDI 84 r16.8 r8.8 u0.8;"
    b"SHLI 85 r16.8 r8.8 u0.8;SHRI 86 r16.8 r8.8 u0.8;SARI 87 r16.8 r8.8 u0.8;"
    b"SEQ 90 r16.8 r8.8 r0.8;SNE 91 r16.8 r8.8 r0.8;SLT 92 r16.8 r8.8 r0.8;"
    b"SLE 93 r16.8 r8.8 r0.8;SLTU 94 r16.8 r8.8 r0.8;SLEU 95 r16.8 r8.8 r0.8;"
    b"BEQ A0 r20.4 r16.4 p0.16;BNE A1 r20.4 r16.4 p0.16;BLT A2 r20.4 r16.4 p0.16;"
    b"BGE A3 r20.4 r16.4 p0.16;BLTU A4 r20.4 r16.4 p0.16;BGEU A5 r20.4 r16.4 p0.16;"
    b"BZ A6 r16.8 p0.16;BNZ A7 r16.8 p0.16;BRA A8 p0.24;BSR A9 p0.24;JR AA r16.8;JSR AB r16.8;"
    b"PUSHM 36 m0.16;POPM 37 m0.16;PEEK 38 r16.8 u0.16;POKE 39 r16.8 u0.16;GROW 3A u0.16;"
    b"DROP 3B u0.16;PLOT 42 r16.8 r8.8 r0.8;PIXEL 43 r16.8 r8.8 r0.8;FSIZE 44 r16.8 r8.8;"
    b"PUTC 45 r16.8;SYS C0 c0.16;"
)
CALLS = (
    b"EXIT 0;WRITE 1;LOG 2;STAGE 3;TIME 4;RANDOM 5;RESOLVE 6;STAT 7;LIST 8;READ 9;BLOB 10;"
    b"CHECK 11;REQUIRES 12;MODULE 13;RUN 14;POLICY 15;LLM 16;ORACLE 17;INPUT 18;STOPPED 19;"
    b"JOURNAL 20;ROUTE 21;"
)
# table: end

line = bytearray(LINE)
reason = bytearray(512)
window: list[u32] = [0] * WINDOW
before: list[u32] = [0] * 16
pixels: list[u32] = [0] * MOST_PIXELS
count = 0
line_end = 0
next_at = 0
word_at = 0
word_end = 0
# Where the table's entry is that find() found.
entry_at = 0
# The value that the last number, register or set had.
value: u32 = 0
negative = False


def upper(c: int) -> int:
    return c - 32 if c >= 97 and c <= 122 else c


def is_blank(c: int) -> bool:
    return c <= 32 or c == 44


def next_word() -> bool:
    """The next word into word_at, word_end; a set in braces is one word."""
    global next_at, word_at, word_end
    while next_at < line_end and is_blank(line[next_at]):
        next_at += 1
    word_at = next_at
    is_set = next_at < line_end and line[next_at] == 123
    while next_at < line_end and (is_set or not is_blank(line[next_at])):
        next_at += 1
        if is_set and line[next_at - 1] == 125:
            break
    word_end = next_at
    return word_at < word_end


def word_is(name: bytes) -> bool:
    if word_end - word_at != len(name):
        return False
    for i in range(len(name)):
        if upper(line[word_at + i]) != name[i]:
            return False
    return True


def find(table: bytes) -> bool:
    """Looks the word up in a table; entry_at is then behind its name."""
    global entry_at
    size = word_end - word_at
    at = 0
    while at < len(table):
        same = 0
        while same < size and table[at + same] == upper(line[word_at + same]):
            same += 1
        if same == size and table[at + same] == 32:
            entry_at = at + same + 1
            return True
        while table[at] != 59:
            at += 1
        at += 1
    return False


def digit(c: int) -> int:
    """What a digit counts in hex, 16 if it is none."""
    if c >= 48 and c <= 57:
        return c - 48
    c = upper(c)
    if c >= 65 and c <= 70:
        return c - 55
    return 16


def table_number(table: bytes, base: u32) -> u32:
    """The number at entry_at of a table, and over what ends it."""
    global entry_at
    n: u32 = 0
    while digit(table[entry_at]) < 16:
        n = (n * base + u32(digit(table[entry_at]))) & 0xFFFF
        entry_at += 1
    if table[entry_at] != 59:
        entry_at += 1
    return n


def digits(at: int, end: int, base: int) -> bool:
    """The number that stands there into `value`; whether it is one of 32 bits."""
    global value
    value = 0
    if at >= end:
        return False
    for i in range(at, end):
        d = digit(line[i])
        if d >= base or value > (0xFFFFFFFF - u32(d)) // u32(base):
            return False
        value = value * u32(base) + u32(d)
    return True


def number() -> bool:
    """The word as a number, decimal or 0x; its size into `value`."""
    global negative
    at = word_at
    negative = line[at] == 45
    if line[at] == 45 or line[at] == 43:
        at += 1
    if at + 1 < word_end and line[at] == 48 and upper(line[at + 1]) == 88:
        return digits(at + 2, word_end, 16)
    return digits(at, word_end, 10)


def register(at: int, end: int) -> bool:
    """R and a number up to 15; that into `value`."""
    return at < end and upper(line[at]) == 82 and digits(at + 1, end, 10) and value < 16


def register_set() -> bool:
    """The word as {R1, R3-R5}; bit n of `value` is Rn."""
    global value
    if line[word_at] != 123 or line[word_end - 1] != 125:
        return False
    bits: u32 = 0
    first = 16
    start = word_at + 1
    for at in range(word_at + 1, word_end):
        c = line[at]
        if c != 44 and c != 45 and c != 125:
            continue
        end = at
        while start < end and line[start] <= 32:
            start += 1
        while start < end and line[end - 1] <= 32:
            end -= 1
        if c == 125 and start == end and bits == 0 and first == 16:
            break
        if not register(start, end):
            return False
        last = int(value)
        if c == 45:
            if first < 16:
                return False
            first = last
        else:
            for n in range(min(first, last), last + 1):
                bits |= 1 << n
            first = 16
        start = at + 1
    value = bits
    return True


def complain(what: str) -> bool:
    """Says what is wrong with the word; gives False."""
    write("error: ")
    if word_end > word_at:
        write(view(line, word_at, word_end - word_at))
        write(": ")
    print(what)
    return False


def operand(kind: int, width: u32) -> bool:
    """The next word as an operand of so many bits into `value`."""
    global value
    if not next_word():
        return complain("an operand is missing")
    if kind == 114:
        return register(word_at, word_end) or complain("not a register, R0 to R15")
    if kind == 109:
        return register_set() or complain("not a set of registers, as {R1, R3-R5}")
    if kind == 99 and find(CALLS):
        value = table_number(CALLS, 10)
        return True
    if not number():
        return complain("not a call or a number" if kind == 99 else "not a number")
    span: u32 = 1 << width
    if kind == 115 or kind == 112:
        if value > span // 2 - (0 if negative else 1):
            return complain("the number does not fit")
        if negative and value > 0:
            value = span - value
    elif value >= span or negative:
        return complain("the number does not fit")
    return True


def is_at_end() -> bool:
    """Whether nothing stands behind the last operand."""
    return not next_word() or complain("this is one operand too many")


def add_pixel(pixel: u32) -> bool:
    """Puts a pixel behind the others, if it fits."""
    global count, word_end
    if count == MOST_PIXELS:
        # The word is not what is wrong.
        word_end = word_at
        return complain("more than 64 pixels")
    pixels[count] = pixel
    count += 1
    return True


def assemble_set() -> bool:
    """SET Ra, any number of 32 bits: LI, and LIH for what it cannot reach."""
    if not operand(114, 4):
        return False
    to = value
    if not next_word() or not number() or (negative and value > 0x80000000):
        return complain("not a number of 32 bits")
    n = value
    is_small = n < 0x80000 or (negative and n == 0x80000)
    if negative:
        n = (0 - n) & 0xFFFFFFFF
    if is_small:
        add_pixel(0x12000000 | to << 20 | n & 0xFFFFF)
    else:
        add_pixel(0x12000000 | to << 20 | n & 0xFFFF)
        add_pixel(0x13000000 | to << 16 | n >> 16)
    return is_at_end()


def assemble() -> bool:
    """The line, whose first word is read, as an instruction."""
    global entry_at
    if word_is(b"SET"):
        return assemble_set()
    if not find(TABLE):
        return complain("no such instruction; help says what there is")
    opcode = table_number(TABLE, 16)
    pixel = opcode << 24
    if opcode == 0:
        pixel = 255
    at = entry_at
    while TABLE[at] != 59:
        kind = TABLE[at]
        entry_at = at + 1
        shift = table_number(TABLE, 10)
        width = table_number(TABLE, 10)
        # Looking a call up moves entry_at.
        at = entry_at
        if not operand(kind, width):
            return False
        pixel |= (value << shift) & 0xFFFFFF
    return add_pixel(pixel) and is_at_end()


def is_hex() -> bool:
    """Whether the word is a channel or a pixel in hex: no instruction is named so."""
    size = word_end - word_at
    if size % 2 != 0 or (size != 2 and size % 8 != 0):
        return False
    for at in range(word_at, word_end):
        if digit(line[at]) > 15:
            return False
    return True


def assemble_hex() -> bool:
    """The whole line as pixels in hex, four channels of two digits each."""
    pixel: u32 = 0
    size = 0
    while True:
        for at in range(word_at, word_end):
            d = digit(line[at])
            if d > 15:
                return complain("not hex")
            pixel = (pixel << 4 | u32(d)) & 0xFFFFFFFF
            size += 1
            if size % 8 == 0 and not add_pixel(pixel):
                return False
        if not next_word():
            break
    if size % 8 != 0:
        return complain("a pixel has four channels, eight digits")
    return True


def build():
    """The module around the pixels: header, registers from and to the window."""
    for i in range(SAVED):
        window[i] = 0
    window[0] = 0x5058494D
    window[1] = 0x02000000
    window[2] = 16
    window[3] = WINDOW
    window[4] = WINDOW
    window[13] = SAVED
    # LI R15, SAVED; LD each, R15 last.
    window[16] = 0x12F00000 | SAVED
    for n in range(16):
        window[17 + n] = 0x50000F00 | n << 16 | n
    for i in range(count):
        window[USER_CODE + i] = pixels[i]
    # PUSH R15; LI R15, SAVED; ST R0 to R14; POP R0; ST R0 as R15; EXIT.
    at = USER_CODE + count
    window[at] = 0x340F0000
    window[at + 1] = 0x12F00000 | SAVED
    for n in range(15):
        window[at + 2 + n] = 0x51000F00 | n << 16 | n
    window[at + 17] = 0x35000000
    window[at + 18] = 0x51000F0F
    window[at + 19] = 0x12000000 | SAVED_STATUS
    window[at + 20] = 0xC0000000


def put_hex(n: u32, size: int):
    for i in range(size):
        d = int(n >> (4 * (size - 1 - i)) & 15)
        putc(d + (48 if d < 10 else 55))


def put_register(n: int):
    print("R", n, " = ", window[SAVED + n], " (0x", sep="", end="")
    put_hex(window[SAVED + n], 8)
    print(")")


def execute():
    """Runs the pixels and says what became of the registers."""
    build()
    for n in range(16):
        before[n] = window[SAVED + n]
    state, status, steps = run(addr_of(window), WINDOW, FUEL)
    if err() > 0:
        print("error", err(), "of RUN")
        return
    if state > 0:
        size = stopped(reason)
        write("stopped: ")
        write(view(reason, 0, size))
        print()
    elif status != SAVED_STATUS:
        print("ended, status ", status, "; the registers are as before", sep="")
    if state > 0:
        return
    for n in range(16):
        if before[n] != window[SAVED + n]:
            put_register(n)


def do_mem():
    at = FREE
    size = 8
    if next_word():
        if not number() or negative or value >= WINDOW:
            complain("not an address of the window, 0 to 4095")
            return
        at = int(value)
        if next_word():
            if not number() or negative or value > 256:
                complain("at most 256 pixels are shown")
                return
            size = int(value)
    for i in range(at, min(at + size, WINDOW)):
        print(i, end=":")
        for channel in range(4):
            putc(32)
            put_hex(window[i] >> (24 - 8 * channel) & 255, 2)
        print(" =", window[i])


def do_help():
    print("ADDW R1, R2, R3     an instruction; also SYS TIME, PUSHM {R1, R3-R5}, BNZ R1, -3")
    print("SET R1, 100000      any number into a register")
    print("10 01 05 00         pixels in hex, up to 64; also 10010500")
    print("regs                all registers")
    print("mem [ADDR [N]]      pixels of the window; 256 to 4095 are free")
    print("reset               registers and memory as at first")
    print("exit                leave")


def obey():
    global count
    count = 0
    if not next_word():
        return
    if word_is(b"REGS"):
        for n in range(16):
            put_register(n)
    elif word_is(b"MEM"):
        do_mem()
    elif word_is(b"RESET"):
        for i in range(WINDOW):
            window[i] = 0
    elif word_is(b"HELP"):
        do_help()
    elif word_is(b"EXIT"):
        exit(0)
    elif is_hex():
        if assemble_hex():
            execute()
    elif assemble():
        execute()


while True:
    if argument(0) == 1:
        write("pxi> ")
    line_end = input_line(line)
    code = err()
    if code == 1:
        print("pixel repl: ready; there is no input now")
        exit(0)
    if code > 0:
        print()
        exit(0 if code == 14 else 1)
    next_at = 0
    obey()
