"""One file with far more holes than data: made, mounted, copied."""

import os
import random

from lab import MIB, PXFS, Mount, ranges, run, timed

USAGE = "sparse [GIB]        one sparse file so large, a hundredth of it data (1024; short 2)"

# mkfs and the server, whatever the file's size.
MOST_MKFS = 150
MOST_SERVER = 256 + 32


def piece(number):
    """A mebibyte that no other number has; one of 16 cannot be compressed."""
    if number % 16 == 0:
        return random.Random(number).randbytes(MIB)
    line = b"piece %d of a large file\n" % number
    return (line * (MIB // len(line) + 1))[:MIB]


def places(gib):
    """Where the pieces are: at multiples of 4 KiB, not of anything larger."""
    step = 100 * MIB
    chance = random.Random(gib)
    count = (gib << 30) // step
    return [n * step + chance.randrange((step - MIB) // 4096) * 4096 for n in range(count)]


def make(path, gib):
    """Writes the file."""
    with open(path, "wb") as file:
        for number, at in enumerate(places(gib)):
            file.seek(at)
            file.write(piece(number))
        file.truncate(gib << 30)


def main(scratch, report, arguments, short):
    gib = int(arguments[0]) if arguments else 2 if short else 1024
    report.heading(f"one file of {gib} GiB, {len(places(gib))} MiB of it data")
    os.mkdir(scratch("source"))
    source, picture = scratch("source/sparse"), scratch("sparse.png")
    seconds, _ = timed(lambda: make(source, gib))
    report.line("writing the source", seconds, unit="s")
    wanted = ranges(source)
    made = run(PXFS, "mkfs", "-q", picture, scratch("source"))
    report.line("mkfs", made.seconds, unit="s")
    report.line("of holes and data", gib * 1024 / made.seconds, unit="MiB/s")
    report.line("peak of mkfs", made.peak_mib, MOST_MKFS, "MiB")
    report.line("picture", os.path.getsize(picture) / MIB, unit="MiB")

    with Mount(picture, scratch("mnt")) as mount:
        seen = mount.path("sparse")
        seconds, found = timed(lambda: ranges(seen))
        report.line(f"asking for {len(found)} ranges", seconds, unit="s")
        report.check("data where the source has data", found == wanted)
        was, now = os.stat(source), os.stat(seen)
        report.check("size and blocks", (now.st_size, now.st_blocks) ==
                     (was.st_size, sum(end - start for start, end in wanted) // 512))
        chance = random.Random(2)
        spots = [(chance.randrange(gib << 30), chance.randrange(1, 300_000)) for _ in range(1000)]
        # Across the edges of data, too.
        for start, end in chance.sample(wanted, min(500, len(wanted))):
            spots += [(start - 5000, 20_000), (end - 5000, 20_000), (start + 7, 1000)]
        seconds, differing = timed(lambda: difference(source, seen, spots))
        report.check(f"{len(spots)} reads anywhere", not differing)
        report.line("a read", seconds / len(spots) * 1000, unit="ms")
        copy = scratch("copy")
        done = run("cp", "--sparse=always", seen, copy)
        report.line("cp --sparse=always", done.seconds, unit="s")
        is_equal(report, "cp", source, copy, wanted)
        report.line("peak of the server", mount.peak_mib(), MOST_SERVER, "MiB")

    done = run(PXFS, "cp", picture, "/sparse", copy)
    report.line("pxfs cp", done.seconds, unit="s")
    report.line("peak of pxfs cp", done.peak_mib, unit="MiB")
    is_equal(report, "pxfs cp", source, copy, wanted)


def is_equal(report, what, source, copy, wanted):
    """Compares the data of a copy and its holes, and removes it."""
    report.check(f"{what} keeps the holes", ranges(copy) == wanted)
    spots = [(start, end - start) for start, end in wanted]
    report.check(f"{what} keeps the data", not difference(source, copy, spots))
    os.remove(copy)


def difference(one, other, spots):
    """The first of some ranges that differs in two files; None if there is none."""
    a, b = os.open(one, os.O_RDONLY), os.open(other, os.O_RDONLY)
    try:
        for at, length in spots:
            at = max(at, 0)
            if os.pread(a, length, at) != os.pread(b, length, at):
                return at, length
        return None
    finally:
        os.close(a)
        os.close(b)
