from pxi import *

BIG = 1 << 20
MASK = 0xFFFFFFFF


def both(a: int, b: int):
    print(a + b, a - b, a * b, a // b, a % b, a & b, a | b, a ^ b, ~a, -a, +a, abs(a))


def shifts(a: int, n: int):
    print(a << n, a >> n, (a << n) & MASK, a >> 40, a ** 2, a ** 3, a ** 0, a ** 1)


def compare(a: int, b: int):
    print(a < b, a <= b, a > b, a >= b, a == b, a != b, a < b < 10, 0 <= a <= b != 3, not a < b)
    print(min(a, b), max(a, b), min(a, b, -4, 9), max(1, a, b))


for x in [7, -7, 13, 0, 1, -1, 1000]:
    for y in [3, -3, 1, -1, 4, 17]:
        both(x, y)
        compare(x, y)
    for n in range(0, 9):
        shifts(x, n)

lowest = -2147483648
highest = 2147483647
print(lowest, highest, lowest // 2, highest // -2, lowest % 7, lowest % -7, highest % -10, lowest >> 31)
print(lowest % -1, ~lowest, ~highest, lowest + highest, -highest, lowest // 3)
print(2 ** 10, -2 ** 2, (-2) ** 5, 1 << 40 >> 38, 7 // 2 * 2 + 7 % 2, BIG - 1, 10 ** 30 // 10 ** 25)
a = 3000000000
print(a, a - 1, a // 7, a % 1000, a >> 1, a & 0xFF, a > 2999999999, a * 1)
b: u32 = 5
print(a // b, a % b, b - 5, b << 29, (b << 31) & MASK, (b * a) & MASK, (b - a) & MASK, (-b) & 255)
print((lowest - 1) & MASK, (lowest * lowest) & 0xFFFF, (highest + highest) % 65536, -5 % 16, (-5 & 0xFF) + 1)
print(True + True, True * 5, True & False, True | False, True ^ True, True & 1, -True, ~False, True << 3)
c = 5
c += 3
c -= 1
c *= 6
c //= 4
c %= 7
c <<= 3
c >>= 1
c |= 64
c &= 0x6E
c ^= 3
c **= 2
print(c)
print(int(True), int(c), bool(c), bool(0), u32(7), abs(-5), abs(c - 10000), int(u32(9)))
