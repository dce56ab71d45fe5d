from pxi import *

GREETING = "hello"
COUNT = 3


def greet(name: str, times: int = 1) -> str:
    result = ""
    for i in range(times):
        result = result + name
        if i < times - 1:
            result += ", "
    return result


def find(text: str, c: int) -> int:
    for i in range(len(text)):
        if ord(text[i]) == c:
            return i
    return -1


def parse(text: bytes) -> int:
    value = 0
    for c in text:
        if c < 48 or c > 57:
            break
        value = value * 10 + c - 48
    return value


print(GREETING, COUNT)
print(GREETING + " " + "world", len(GREETING), "=" * 20)
print(greet("ab", 3), len(greet("xyz", 2)), greet("q"))
print(find("find me", ord("m")), find("none", 122))
print(parse(b"1234x"), parse(b""), parse(b"9"))
print("tab\tquote\"backslash\\ unicode: \u00e9\u4e2d\U0001F600", len("\u00e9\u4e2d\U0001F600"))
print("a", 1, True, sep="-", end="!\n")
print("a", "b", "c", sep="")
print()
print("", end="")
print(f"{COUNT} apples and {COUNT * 2 - 1} pears, {True} {'text'}{{}}")
s = str(COUNT * 100)
t = str(-12)
print(s + t, len(s), s == "300", s != "300", t == "-12", "abc" < "abd", "b" > "abc", s < t, s <= s)
print(s[1:] + "|" + s[:1] + "|" + s[-2:] + "|" + s[5:] + "|" + s[0:2])
if s == "300" and t != "":
    print("equal")
for i in range(65, 70):
    print(chr(i), end="")
print(chr(233), chr(0x4e2d), chr(128512))
print(str(True) if False else "str", str(5), str(4000000000))
big = 4000000000
print(str(big) + "!", big)
word = "abc" if COUNT > 2 else "def"
print(word, ord(word[0]), ord(word[-1]), ord("z"), "implicit " "join")
print(0, -0, 2147483647, -2147483648)
write("written\n")
write(b"bytes written\n")
buffer = bytearray(b"abcdef\n")
buffer[0] = 65
write(buffer)
write(view(buffer, 2, 3))
print()
print(len("") == 0, "" == "", "x" == "y", "\x00" == "\x00", len("\x00\x01"))
