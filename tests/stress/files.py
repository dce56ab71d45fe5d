"""Very many files in one picture: made from a tar stream, mounted, looked through."""

import os
import random

from lab import MIB, PXFS, Mount, drop_caches, run, timed
from tarball import stream

USAGE = "files [FILES]       FILES small files in one picture (10000000; short 50000)"

A_DIRECTORY = 1000
STEMS = b"main util parse config buffer table driver node index report".split()
ENDS = b".c .h .txt .rs .md .json .py .o".split()

# The server after the mount, and after listing one directory.
MOST_RSS = 40
# mkfs, whatever it is given.
MOST_MKFS = 300


def directory_of(number):
    """The directory that a file is in."""
    number //= A_DIRECTORY
    return b"tree/part-%03d/module-%02d" % (number // 100, number % 100)


def name_of(number):
    stem, end = STEMS[number * 7 % len(STEMS)], ENDS[number * 5 % len(ENDS)]
    return b"%s_%05d%s" % (stem, number % A_DIRECTORY * 7919 % 100003, end)


def content_of(number):
    """A few bytes; of four files one is like others."""
    if number % 4 == 0:
        return b"# like %d others\n" % (number % 997)
    return b"%s %d: %x\n" % (STEMS[number % len(STEMS)], number, number * 2654435761)


def path_of(number):
    return directory_of(number) + b"/" + name_of(number)


def main(scratch, report, arguments, short):
    files = int(arguments[0]) if arguments else 50_000 if short else 10_000_000
    report.heading(f"{files:,} files of a few bytes, {A_DIRECTORY} a directory")
    picture = scratch("files.png")
    made = run(PXFS, "mkfs", "-q", picture, "-", feed=stream(files, path_of, content_of))
    report.line("mkfs from a tar stream", made.seconds, unit="s")
    report.line("peak of mkfs", made.peak_mib, MOST_MKFS, "MiB")
    report.line("picture", os.path.getsize(picture) / MIB, unit="MiB")
    report.line("bytes a file", os.path.getsize(picture) / files, unit="bytes")

    chance = random.Random(1)
    some = [chance.randrange(files) for _ in range(1000)]
    drop_caches()
    with Mount(picture, scratch("mnt")) as mount:
        report.line("mount, cold", mount.seconds * 1000, unit="ms")
        report.line("memory after the mount", mount.rss_mib(), MOST_RSS, "MiB")
        path = lambda number: mount.path(os.fsdecode(path_of(number)))
        seconds, names = timed(lambda: os.listdir(os.path.dirname(path(files // 2))))
        report.line(f"listing {len(names)} names", seconds * 1000, unit="ms")
        report.line("memory after the listing", mount.rss_mib(), MOST_RSS, "MiB")
        seconds, is_right = timed(lambda: read(path(files // 3)) == content_of(files // 3))
        report.check("a file by its path", is_right)
        report.line("a file by its path", seconds * 1000, unit="ms")
        seconds, wrong = timed(lambda: sum(read(path(n)) != content_of(n) for n in some))
        report.check(f"{len(some)} files anywhere", wrong == 0)
        report.line(f"{len(some)} files anywhere", seconds, unit="s")
        report.check("a name that is not there", not os.path.exists(path(0) + ".no"))
        count = lambda: run("sh", "-c", f"find {mount.dir} -type f | wc -l", keep=True).output
        seconds, found = timed(count)
        report.check("find sees them all", int(found) == files)
        report.line("find", seconds, unit="s")
        report.line("peak of the server", mount.peak_mib(), 256 + 32, "MiB")

    one = os.fsdecode(b"/" + directory_of(0))
    for what, command in [
        ("pxfs ls of a directory", ["ls", picture, one]),
        ("pxfs find of a name", ["find", picture, "-name", os.fsdecode(name_of(7))]),
        ("pxfs verify", ["verify", "-q", picture]),
    ]:
        done = run(PXFS, *command)
        report.line(what, done.seconds, unit="s")
        report.line(f"peak of {what}", done.peak_mib, unit="MiB")


def read(path):
    with open(path, "rb") as file:
        return file.read()
