"""The memory of a server: within -o mem= and a fixed rest, also when it must be."""

import itertools
import os
import random
import resource
import subprocess
import sys
import time

import sources
from lab import MIB, PXFS, Fault, Mount, drop_caches, is_running, run

USAGE = "memory [MIB]        servers with -o mem=, a tree of so many MiB (400; short 90)"

# What a server may have beside mem=: its code, its threads, what is on its way.
BESIDE = 32

# As many as there are unless more are asked for: each has buffers of its own, so
# that with more the peak is told, not judged.
MOST_THREADS = 4


def main(scratch, report, arguments, short):
    size = int(arguments[0]) if arguments else 90 if short else 400
    sources.make(scratch("source"), size)
    picture = scratch("memory.png")
    run(PXFS, "mkfs", "-q", "-l", "3", picture, scratch("source"))
    files = sources.scan(scratch("source"))
    total = sum(size for _, size, _ in files)
    report.heading(f"memory of servers, {len(files)} files of {total // MIB} MiB")
    every = itertools.product((16, 64, 256), (2, 4, 16))
    for mem, threads in [(16, 4), (64, 2)] if short else every:
        with Mount(picture, scratch("mnt"), f"mem={mem}M,threads={threads}") as mount:
            use(report, mount.dir, files)
            what = f"peak with mem={mem}M, {threads} threads"
            most = mem + BESIDE if threads <= MOST_THREADS else None
            report.line(what, mount.peak_mib(), most, "MiB")
    confined(scratch, report, picture, files)


def use(report, root, files):
    """All that takes memory: listing, reading in order, anywhere, by eight at once."""
    drop_caches()
    run("find", root, "-printf", "%s %m\n")
    # Into a pipe: tar does not read what it writes to /dev/null.
    run("sh", "-c", f"tar -cf - --exclude=sparse -C {root} . | cat >/dev/null")
    drop_caches()
    reader = [sys.executable, "-B", os.path.abspath(__file__), root]
    names = "\n".join(f"{size} {name}" for name, size, _ in files).encode("utf-8", "surrogateescape")
    readers = [
        subprocess.Popen(reader + [str(seed)], stdin=subprocess.PIPE) for seed in range(8)
    ]
    for process in readers:
        process.stdin.write(names)
        process.stdin.close()
    if any(process.wait() != 0 for process in readers):
        report.fault("a reader failed")


def read_anywhere(root, seed):
    """A reader: pieces of files anywhere."""
    files = [line.rstrip("\n").split(" ", 1) for line in sys.stdin]
    chance = random.Random(seed)
    for _ in range(1500):
        size, name = chance.choice(files)
        with open(os.path.join(root, name), "rb") as file:
            file.seek(chance.randrange(max(int(size), 1)))
            file.read(chance.randrange(1, 1 << chance.randrange(8, 22)))


def confined(scratch, report, picture, files):
    """A server that cannot have more is as good as another."""
    mem = 64
    room = Room.find(mem + BESIDE)
    if room is None:
        print("  no cgroup with memory can be made here: only RLIMIT_AS is tried")
    # Address space is not memory: heaps reserve 64 MiB a thread, and use little of it.
    limits = (lambda: None) if room else lambda: resource.setrlimit(resource.RLIMIT_AS, [1 << 30] * 2)
    dir, pid_file = scratch("mnt"), scratch("mnt.pid")
    os.makedirs(dir, exist_ok=True)
    command = [PXFS, "mount", "-o", f"mem={mem}M", "--pid-file", pid_file, picture, dir]

    def enter():
        limits()
        if room:
            room.enter()

    try:
        subprocess.run(command, check=True, preexec_fn=enter)
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        use(report, dir, files)
        seen = sources.scan(dir)
        where = room.what if room else "RLIMIT_AS of 1 GiB"
        report.check(f"alive in a {where}", is_running(pid))
        report.check("and every byte is right", seen == files)
        report.check("and nothing was killed", not room or room.kills() == 0)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Fault(f"a confined server: {error}") from error
    finally:
        scratch.unmount_all()
        if room:
            room.remove()


class Room:
    """A control group with little memory, of version 2 or 1."""

    def __init__(self, path, limit, mib):
        self.path, self.what = path, f"{os.path.basename(limit)} of {mib} MiB"
        os.mkdir(path)
        try:
            # Only if it is there: on what is no control group it would be made.
            with open(os.path.join(path, limit), "r+", encoding="ascii") as file:
                file.write(str(mib * MIB))
        except OSError:
            os.rmdir(path)
            raise

    @classmethod
    def find(cls, mib):
        """One, if this machine lets us make it."""
        name = f"pxfs-{os.getpid()}"
        for parent, limit in [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/unified", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ]:
            try:
                return cls(os.path.join(parent, name), limit, mib)
            except OSError:
                continue
        return None

    def enter(self):
        """Moves this process in, and all that it will start."""
        with open(self.path + "/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def kills(self):
        """Processes that were killed because there was no more."""
        for name in ("memory.events", "memory.oom_control"):
            if os.path.exists(f"{self.path}/{name}"):
                with open(f"{self.path}/{name}", encoding="ascii") as file:
                    counts = dict(line.split() for line in file)
                return int(counts["oom_kill"])
        return 0

    def remove(self):
        for _ in range(200):
            try:
                return os.rmdir(self.path)
            except OSError:  # a process in it has not ended yet
                time.sleep(0.05)


if __name__ == "__main__":
    read_anywhere(sys.argv[1], int(sys.argv[2]))
