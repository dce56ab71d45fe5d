from pxi import *

"""A text that is a statement is a comment."""


def collatz(n: int) -> int:
    """Steps to one."""
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def classify(n):
    if n < 0:
        return "negative"
    elif n == 0:
        return "zero"
    elif n < 10:
        return "small"
    else:
        return "large"


def first_divisor(n: int) -> int:
    for d in range(2, n):
        if n % d == 0:
            break
    else:
        return n
    return d


def gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def ack(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ack(m - 1, 1)
    return ack(m - 1, ack(m, n - 1))


def is_even(n: int) -> bool:
    return True if n == 0 else is_odd(n - 1)


def is_odd(n: int) -> bool:
    return False if n == 0 else is_even(n - 1)


def noisy(name: str, value: bool) -> bool:
    print(name, end=" ")
    return value


def shout(a, b=2, c="three", d=True):
    print(a, b, c, d)


for n in range(1, 12):
    print(n, collatz(n), classify(n * 3 - 9), first_divisor(n + 1), gcd(n * 12, 18), is_even(n))
print(ack(2, 3))

for a in [True, False]:
    for b in [True, False]:
        if noisy("a", a) and noisy("b", b) or not noisy("c", a):
            print("yes")
        else:
            print("no")
        print(a and b, a or b, not a, a == b, a != b, a < b)

print(5 and 7, 0 and 7, 5 or 7, 0 or 7, 0 or 0, 1 and 2 and 3, 0 or 0 or 4)
x = 10
y = x and x - 3 or 99
print(y, x if y > 3 else -x, 1 if x else 0)

shout(1)
shout(1, 5)
shout(1, c="x")
shout(d=False, a=9, b=8)

for i in range(5):
    if i == 1:
        continue
    if i == 4:
        break
    print(i, end=",")
else:
    print("never")
print()
for i in range(0):
    print("never")
else:
    print("empty", end=";")
for i in range(10, 0, -3):
    print(i, end=" ")
for i in range(-5, 6, 4):
    print(i, end=" ")
for i in range(3, 3):
    print("never")
for i in range(2147483640, 2147483647, 5):
    print(i, end=" ")
for i in range(-2147483640, -2147483648, -7):
    print(i, end=" ")
print()
for i in range(4):
    i = i * 2
    print(i, end=" ")
step = 2
for i in range(0, 7, step):
    print(i, end=" ")
for i in range(7, 0, -step):
    print(i, end=" ")
step = step - 5
for i in range(7, -7, step):
    print(i, end=" ")
for i in range(-7, 7, step):
    print("never")
print()
n = 0
while True:
    n += 1
    if n % 2:
        continue
    if n > 9:
        break
    print(n, end=" ")
else:
    print("never")
while n > 5:
    n -= 1
else:
    print("else", n)
k = 3
for i in range(k):
    k = 10
    print(i, k)
k = 5
k = -k if k > 3 else k
print(k, 3 if k > 0 else (4 if k == -5 else 6))
for i in range(3):
    for j in range(i, 3):
        if j == 2:
            break
        print(i, j)
if __name__ == "__main__":
    print("main")
assert k == -5, "k is wrong"
print(7 in (1, 7, 9), k not in [1, 2], 3 in (k, k + 8))
