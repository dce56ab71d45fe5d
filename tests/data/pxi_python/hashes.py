from pxi import *

POLYNOMIAL = 0xEDB88320
table: list[u32] = [0] * 256


def make_table():
    for n in range(256):
        c = u32(n)
        for k in range(8):
            c = (c >> 1) ^ POLYNOMIAL if c & 1 else c >> 1
        table[n] = c


def crc32(data: bytes) -> u32:
    crc: u32 = 0xFFFFFFFF
    for b in data:
        crc = table[(crc ^ b) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def fnv1a(data: bytes) -> u32:
    h: u32 = 2166136261
    for b in data:
        h = ((h ^ b) * 16777619) & 0xFFFFFFFF
    return h


def djb2(text: bytes) -> u32:
    h: u32 = 5381
    for c in text:
        h = ((h << 5) + h + c) & 0xFFFFFFFF
    return h


def adler32(data: bytes) -> u32:
    a: u32 = 1
    b: u32 = 0
    for c in data:
        a = (a + c) % 65521
        b = (b + a) % 65521
    return (b << 16) | a


def rotl(x: u32, n: int) -> u32:
    return ((x << n) & 0xFFFFFFFF) | (x >> (32 - n))


def murmur(data: bytes, seed: u32) -> u32:
    h = seed
    blocks = len(data) // 4
    for i in range(blocks):
        k: u32 = 0
        for j in range(4):
            k = k | u32(data[i * 4 + j]) << (8 * j)
        k = (k * 0xCC9E2D51) & 0xFFFFFFFF
        k = rotl(k, 15)
        k = (k * 0x1B873593) & 0xFFFFFFFF
        h = rotl(h ^ k, 13)
        h = (h * 5 + 0xE6546B64) & 0xFFFFFFFF
    h = h ^ len(data)
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return h ^ (h >> 16)


def lcg(seed: int, count: int):
    for i in range(count):
        seed = (seed * 1103515245 + 12345) % 2147483648
        print(seed, seed >> 16, seed % 6 + 1)


def xorshift(state: u32) -> u32:
    state = state ^ (state << 13) & 0xFFFFFFFF
    state ^= state >> 17
    state ^= (state << 5) & 0xFFFFFFFF
    return state


make_table()
text = b"The quick brown fox jumps over the lazy dog"
print(crc32(b""), crc32(b"123456789"), crc32(text))
print(fnv1a(b""), fnv1a(text), djb2(text), adler32(text))
print(murmur(text[:40], 42), murmur(b"abcd", 0))
lcg(42, 5)
x: u32 = 2463534242
for i in range(5):
    x = xorshift(x)
    print(x, x & 0xFFFF, x >> 16, x % 10, x // 3, x > 1 << 31)
