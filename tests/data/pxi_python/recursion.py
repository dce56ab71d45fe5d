from pxi import *

moves = 0
board = [0] * 8


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def factorial(n):
    return 1 if n <= 1 else n * factorial(n - 1)


def hanoi(n, source, target, spare):
    global moves
    if n == 0:
        return
    hanoi(n - 1, source, spare, target)
    moves += 1
    hanoi(n - 1, spare, target, source)


def safe(row: int, column: int) -> bool:
    for r in range(row):
        c = board[r]
        if c == column or abs(c - column) == row - r:
            return False
    return True


def queens(row: int) -> int:
    if row == 8:
        return 1
    count = 0
    for column in range(8):
        if safe(row, column):
            board[row] = column
            count += queens(row + 1)
    return count


def quick(a: list[int], low: int, high: int):
    if low >= high:
        return
    pivot = a[(low + high) // 2]
    i = low
    j = high
    while i <= j:
        while a[i] < pivot:
            i += 1
        while a[j] > pivot:
            j -= 1
        if i <= j:
            a[i], a[j] = a[j], a[i]
            i += 1
            j -= 1
    quick(a, low, j)
    quick(a, i, high)


def tak(x, y, z):
    if y >= x:
        return z
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y))


def many(a, b, c, d, e, f):
    if a == 0:
        return b + 10 * c + 100 * d + 1000 * e + 10000 * f
    return many(a - 1, f, b, c, d, e) + many(0, a, b, c, d, e) % 7


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


def busy(n):
    a = n + 1
    b = a * 2
    c = b - n
    d = c ^ a
    e = d + b
    f = e * 3 % 101
    g = f + a
    h = g ^ b
    i = h + c
    j = i - d
    k = j + e
    l = k ^ f
    if n > 0:
        m = busy(n - 1)
    else:
        m = 1
    return (a + b * 2 + c * 3 + d * 5 + e * 7 + f * 11 + g * 13 + h * 17 + i * 19 + j * 23 + k * 29 + l * 31 + m) % 10007


print(fib(20), factorial(12), tak(12, 8, 4), deep(900))
hanoi(10, 1, 2, 3)
print(moves, queens(0))
a = [0] * 100
seed = 7
for i in range(100):
    seed = seed * 37 % 1009
    a[i] = seed
quick(a, 0, 99)
ordered = True
for i in range(99):
    if a[i] > a[i + 1]:
        ordered = False
print(ordered, a[0], a[50], a[99], many(5, 1, 2, 3, 4, 5), busy(20))
