from pxi import *

LENGTH = 8
total = 0
shared = [0] * LENGTH
names = ["zero", "one", "two"]


def fill(a: list[int], value: int):
    for i in range(len(a)):
        a[i] = value + i


def add(n: int):
    global total
    total += n
    shared[n % LENGTH] += n


def make(n: int) -> list[int]:
    a = [7] * n
    for i in range(n):
        a[i] = a[i] * i
    return a


def sort(a: list[int]):
    for i in range(1, len(a)):
        value = a[i]
        j = i - 1
        while j >= 0 and a[j] > value:
            a[j + 1] = a[j]
            j -= 1
        a[j + 1] = value


def show(a: list[int]):
    for v in a:
        print(v, end=" ")
    print(len(a))


def minmax(a: list[int]) -> tuple[int, int]:
    low = a[0]
    high = a[0]
    for v in a:
        low = min(low, v)
        high = max(high, v)
    return low, high


def swap(a: int, b: int):
    return b, a


a = [0] * 5
fill(a, 3)
show(a)
b = [5, 3, -1, 99, 0, 5]
sort(b)
show(b)
print(b[-1], b[-6], b[0], b[2 - 3], b[len(b) - 1])
c = b
c[0] = -50
print(b[0])
for n in range(20):
    add(n)
print(total)
show(shared)
show(make(6))
show(make(0))
low, high = minmax(b)
print(low, high)
low, high = swap(low, high)
print(low, high)
matrix = [make(3), make(4), b]
print(matrix[1][3], len(matrix[0]), matrix[2][-1])
matrix[0][1] = 1234
print(matrix[0][1])
flags = [False] * 10
flags[3] = True
flags[-1] = not flags[3]
for f in flags:
    print(f, end=" ")
print()
for name in names:
    print(name, len(name))
i = 2
a[i], a[i + 1] = a[i + 1], a[i]
show(a)
a[a[0] - 3] += 5
a[1] -= 2
a[2] *= -3
a[-1] //= 2
show(a)
big = [4000000000, 1]
big[1] = 3999999999
print(big[0] - big[1], big[1])
data = bytearray(10)
for i in range(len(data)):
    data[i] = i * i
data[-1] = 255
data[0] |= 0x80
for v in data:
    print(v, end=" ")
print(len(data), data[3], data[-2])
text = b"bytes\x00\xff"
print(len(text), text[0], text[-1], text[5], 98 in text, 7 in text, 99 in b)
copy = bytearray(text)
copy[0] = 66
print(text[0], copy[0], len(copy), copy == text, copy[1:] == text[1:], text == b"bytes\x00\xff")
part = copy[1:4]
print(len(part), part[0], copy[-3:][0], len(copy[9:]), len(copy[4:2]), len(copy[:-2]), len(copy[:]))
x = y = z = 4
x += 1
print(x, y, z)
empty: list[int] = []
print(len(empty), bool(empty), bool(b), not empty, "yes" if text else "no")
grid = [0] * 12
for r in range(3):
    for q in range(4):
        grid[r * 4 + q] = r * q
show(grid)
