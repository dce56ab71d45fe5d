# What compiled programs need at run time, in the subset itself. Only what is
# used gets into a module. Names with _pxi_ are not open to programs.


def _pxi_fail(line: int, why: int):
    start = _pxi_scratch() * 4
    at = _pxi_put(start, "line ")
    end = _pxi_digits(start + 40, u32(line))
    while end < start + 40:
        poke_byte(at, peek_byte(end))
        at += 1
        end += 1
    if why == 1:
        at = _pxi_put(at, ": IndexError: index out of range")
    elif why == 2:
        at = _pxi_put(at, ": ValueError: a byte must be in range(0, 256)")
    elif why == 3:
        at = _pxi_put(at, ": AssertionError")
    elif why == 4:
        at = _pxi_put(at, ": ValueError: negative shift count")
    elif why == 5:
        at = _pxi_put(at, ": MemoryError: no room behind the module")
    elif why == 6:
        at = _pxi_put(at, ": the number does not fit the type")
    elif why == 7:
        at = _pxi_put(at, ": the text is not ASCII")
    else:
        at = _pxi_put(at, ": ValueError")
    log(raw(start, at - start), 2, "error")
    exit(1)


def _pxi_put(at: int, text: str) -> int:
    start = addr_of(text)
    for i in range(len(text)):
        poke_byte(at + i, peek_byte(start + i))
    return at + len(text)


def _pxi_digits(end: int, number: u32) -> int:
    while True:
        end -= 1
        poke_byte(end, int(number % 10) + 48)
        number //= 10
        if number == 0:
            return end


def _pxi_number(n: int) -> int:
    end = _pxi_scratch() * 4 + 40
    if n < 0:
        at = _pxi_digits(end, (-n) & 0xFFFFFFFF) - 1
        poke_byte(at, 45)
        return at
    return _pxi_digits(end, u32(n))


def _pxi_print_int(n: int):
    at = _pxi_number(n)
    write(raw(at, _pxi_scratch() * 4 + 40 - at))


def _pxi_print_u32(n: u32):
    end = _pxi_scratch() * 4 + 40
    at = _pxi_digits(end, n)
    write(raw(at, end - at))


def _pxi_print_bool(b: bool):
    if b:
        write("True")
    else:
        write("False")


def _pxi_print_chr(c: int):
    if c < 0 or c > 0x10FFFF or (c >= 0xD800 and c <= 0xDFFF):
        _pxi_stop(8)
    putc(c)


def _pxi_alloc(n: int) -> int:
    base = _pxi_base()
    slot = _pxi_heap()
    used = int(peek(slot))
    if used == 0:
        used = int(peek(base + 3))
    if n < 0 or n > int(peek(base + 4)) - used:
        _pxi_stop(5)
    poke(slot, used + n)
    return base + used


def _pxi_list(n: int, word: u32) -> int:
    if n < 0:
        n = 0
    at = _pxi_alloc(n + 1)
    poke(at, n)
    fill_pixels(at + 1, word, n)
    return at + 1


def _pxi_bytearray(n: int) -> int:
    if n < 0:
        _pxi_stop(8)
    pixels = n // 4 + 1
    at = _pxi_alloc(pixels + 1)
    poke(at, n)
    fill_pixels(at + 1, 0, pixels)
    return at + 1


def _pxi_copy_list(source: int) -> int:
    n = int(peek(source - 1))
    at = _pxi_alloc(n + 1)
    copy_pixels(at, source - 1, n + 1)
    return at + 1


def _pxi_text(n: int, characters: int) -> int:
    pixels = n // 4 + 1
    at = _pxi_alloc(pixels + 2)
    poke(at, characters)
    poke(at + 1, n)
    fill_pixels(at + 2, 0, pixels)
    return at + 2


def _pxi_copy(to: int, source: int, n: int):
    for i in range(n):
        poke_byte(to + i, peek_byte(source + i))


def _pxi_concat(a: int, b: int) -> int:
    n = int(peek(a - 1))
    m = int(peek(b - 1))
    at = _pxi_bytearray(n + m)
    _pxi_copy(at * 4, a * 4, n)
    _pxi_copy(at * 4 + n, b * 4, m)
    return at


def _pxi_concat_str(a: int, b: int) -> int:
    n = int(peek(a - 1))
    m = int(peek(b - 1))
    at = _pxi_text(n + m, int(peek(a - 2)) + int(peek(b - 2)))
    _pxi_copy(at * 4, a * 4, n)
    _pxi_copy(at * 4 + n, b * 4, m)
    return at


def _pxi_clamp(i: int, n: int) -> int:
    if i < 0:
        i = i + n
        if i < 0:
            return 0
    if i > n:
        return n
    return i


def _pxi_slice(a: int, start: int, stop: int) -> int:
    n = int(peek(a - 1))
    start = _pxi_clamp(start, n)
    stop = _pxi_clamp(stop, n)
    n = max(stop - start, 0)
    at = _pxi_bytearray(n)
    _pxi_copy(at * 4, a * 4 + start, n)
    return at


def _pxi_slice_str(a: int, start: int, stop: int) -> int:
    n = int(peek(a - 1))
    if n != int(peek(a - 2)):
        _pxi_stop(7)
    start = _pxi_clamp(start, n)
    stop = _pxi_clamp(stop, n)
    n = max(stop - start, 0)
    at = _pxi_text(n, n)
    _pxi_copy(at * 4, a * 4 + start, n)
    return at


def _pxi_str(n: int) -> int:
    start = _pxi_number(n)
    length = _pxi_scratch() * 4 + 40 - start
    at = _pxi_text(length, length)
    _pxi_copy(at * 4, start, length)
    return at


def _pxi_str_u32(n: u32) -> int:
    end = _pxi_scratch() * 4 + 40
    start = _pxi_digits(end, n)
    at = _pxi_text(end - start, end - start)
    _pxi_copy(at * 4, start, end - start)
    return at


def _pxi_compare(a: int, b: int) -> int:
    n = int(peek(a - 1))
    m = int(peek(b - 1))
    for i in range(min(n, m)):
        d = peek_byte(a * 4 + i) - peek_byte(b * 4 + i)
        if d != 0:
            return d
    return n - m


def _pxi_equal(a: int, b: int) -> bool:
    n = int(peek(a - 1))
    if n != int(peek(b - 1)):
        return False
    whole = n // 4
    for i in range(whole):
        if peek(a + i) != peek(b + i):
            return False
    for i in range(whole * 4, n):
        if peek_byte(a * 4 + i) != peek_byte(b * 4 + i):
            return False
    return True


def _pxi_has_word(a: int, word: u32) -> bool:
    for i in range(int(peek(a - 1))):
        if peek(a + i) == word:
            return True
    return False


def _pxi_has_byte(a: int, value: int) -> bool:
    if value < 0 or value > 255:
        _pxi_stop(2)
    for i in range(int(peek(a - 1))):
        if peek_byte(a * 4 + i) == value:
            return True
    return False


def _pxi_rounds(start: int, stop: int, step: int) -> u32:
    if step < 0:
        if start <= stop:
            return 0
        return ((start - stop - 1) & 0xFFFFFFFF) // ((-step) & 0xFFFFFFFF) + 1
    if start >= stop:
        return 0
    return ((stop - start - 1) & 0xFFFFFFFF) // u32(step) + 1


def _pxi_str_bool(b: bool) -> str:
    if b:
        return "True"
    return "False"
