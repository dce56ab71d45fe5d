"""Very many mounts at once: of one picture, and of pictures of their own."""

import os
import statistics

from lab import PXFS, Mount, proc_kib, run, timed, wait_until

USAGE = "mounts [MOUNTS]     so many of one picture at once (1000; short 30), and of 100 others"

# Proportional share of a mount that nobody uses.
MOST_PSS = 3


def main(scratch, report, arguments, short):
    count = int(arguments[0]) if arguments else 30 if short else 1000
    others = min(count, 30 if short else 100)
    os.mkdir(scratch("source"))
    for number in range(100):
        write(scratch(f"source/file-{number}"), f"file {number}\n" * 100)
    run(PXFS, "mkfs", "-q", scratch("one.png"), scratch("source"))
    pictures = [scratch("one.png")] * count
    many(scratch, report, f"{count} mounts of one picture", pictures)

    pictures = []
    for number in range(others):
        write(scratch("source/file-0"), f"picture {number}\n")
        pictures.append(scratch(f"own-{number}.png"))
        run(PXFS, "mkfs", "-q", pictures[-1], scratch("source"))
    many(scratch, report, f"{others} mounts of {others} pictures", pictures)


def many(scratch, report, heading, pictures):
    """Mounts all, asks all, unmounts all."""
    report.heading(heading)
    before = memory_in_use()
    mounts = [Mount(picture, scratch(f"mnt-{n}")) for n, picture in enumerate(pictures)]
    took = [mount.seconds * 1000 for mount in mounts]
    report.line("a mount, median", statistics.median(took), unit="ms")
    report.line("the slowest mount", max(took), unit="ms")
    pss = [mount.pss_mib() for mount in mounts]
    report.line("share of memory of a mount, median", statistics.median(pss), MOST_PSS, "MiB")
    report.line("share of memory of all", sum(pss), unit="MiB")
    report.line("memory of the machine for a mount",
                (memory_in_use() - before) / len(mounts), unit="MiB")
    threads = [len(os.listdir(f"/proc/{mount.pid}/task")) for mount in mounts]
    report.line("threads of a mount", max(threads), unit="")
    seconds, answers = timed(lambda: [read(mount.path("file-1")) for mount in mounts])
    report.check("all answer", answers == ["file 1\n" * 100] * len(mounts))
    report.line("asking one", seconds / len(mounts) * 1000, unit="ms")
    used = [mount.pss_mib() for mount in mounts]
    report.line("share of memory of one that was read", statistics.median(used), unit="MiB")
    seconds, _ = timed(lambda: [mount.unmount() for mount in mounts])
    report.line("unmounting one and waiting for its end", seconds / len(mounts) * 1000, unit="ms")
    report.check("nothing is mounted any more", not scratch.mounted())
    wait_until("end of all servers", lambda: not scratch.servers())


def memory_in_use():
    """MiB that are not there for others, the kernel's own included."""
    free, total = (proc_kib("/proc/meminfo", field) for field in ("MemAvailable", "MemTotal"))
    return (total - free) / 1024


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()
