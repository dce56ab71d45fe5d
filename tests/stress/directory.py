"""One directory with very many names."""

import os

from lab import PXFS, Mount, run, timed
from tarball import stream

USAGE = "directory [NAMES]   NAMES files in one directory (1000000; short 30000)"

# The server, whatever is listed: names are not in its cache, nodes are.
MOST_SERVER = 128


def name_of(number):
    """In an order that is not the one of the names."""
    return b"%08x_entry.txt" % (number * 2654435761 & 0xFFFFFFFF)


def main(scratch, report, arguments, short):
    names = int(arguments[0]) if arguments else 30_000 if short else 1_000_000
    report.heading(f"{names:,} names in one directory")
    picture = scratch("directory.png")
    content_of = lambda number: b"%d\n" % (number % 5000)
    feed = stream(names, lambda number: b"all/" + name_of(number), content_of)
    made = run(PXFS, "mkfs", "-q", picture, "-", feed=feed)
    report.line("mkfs from a tar stream", made.seconds, unit="s")
    report.line("peak of mkfs", made.peak_mib, unit="MiB")
    with Mount(picture, scratch("mnt")) as mount:
        all_names = mount.path("all")
        one = os.path.join(all_names, os.fsdecode(name_of(names // 3)))
        seconds, _ = timed(lambda: run("ls", one))
        report.line("ls of one name, nothing cached", seconds * 1000, unit="ms")
        report.line("memory after it", mount.rss_mib(), 40, "MiB")
        for what in ("ls -f", "ls -f again"):
            done = run("sh", "-c", f"ls -f {all_names} | wc -l", keep=True)
            report.check(f"{what} sees them all", int(done.output) == names + 2)
            report.line(what, done.seconds, unit="s")
        done = run("sh", "-c", f"ls -l {all_names} | wc -l", keep=True)
        report.check("ls -l sees them all", int(done.output) == names + 1)
        report.line("ls -l", done.seconds, unit="s")
        listed = set(os.listdir(os.fsencode(all_names)))
        report.check("no name is missing or twice", listed == set(map(name_of, range(names))))
        step = max(names // 1000, 1)
        right = all(
            read(os.path.join(all_names, os.fsdecode(name_of(number)))) == content_of(number)
            for number in range(0, names, step)
        )
        report.check("files anywhere in it", right)
        report.check("a name that is not there", not os.path.exists(all_names + "/no"))
        report.line("peak of the server", mount.peak_mib(), MOST_SERVER, "MiB")
    done = run(PXFS, "ls", picture, "/all", keep=True)
    report.check("pxfs ls sees them all", done.output.count(b"\n") == names)
    report.line("pxfs ls", done.seconds, unit="s")
    report.line("peak of pxfs ls", done.peak_mib, unit="MiB")


def read(path):
    with open(path, "rb") as file:
        return file.read()
