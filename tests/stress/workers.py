"""The workers of scripts/stress: each a process that uses the mount and compares.

An upheaval (see upheaval.py) takes the mount away and brings it back. It has a
number, odd while it lasts, and a kind, which says what errors it may cause: any
other error is a fault, and so is a wrong byte at any time.
"""

import contextlib
import ctypes
import errno
import hashlib
import mmap
import multiprocessing
import os
import random
import signal
import subprocess
import tempfile
import time

from lab import MIB, Fault, Mount, drop_caches

FORK = multiprocessing.get_context("fork")

# What an upheaval may cause. Files that are open outlive an unmount.
DETACHED = frozenset([errno.ENOENT])
KILLED = DETACHED | {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENODEV}

FIND = ["-type", "d", "-printf", "%P d %m %T@\n", "-o", "-printf", "%P %y %m %s %n %T@ %l\n"]


class Shared:
    """What the workers and the one who watches them have in common."""

    def __init__(self, files, workers, fault_log):
        self.files, self.fault_log = files, fault_log
        # The number of the upheaval: 2 n is peace after n of them, 2 n - 1 is the nth.
        self.number = FORK.RawValue(ctypes.c_int64, 0)
        self.was_killed = FORK.RawArray(ctypes.c_byte, 1 << 20)
        self.stop = FORK.RawValue(ctypes.c_byte, 0)
        self.alive = FORK.RawArray(ctypes.c_double, workers)
        self.since = FORK.RawArray(ctypes.c_int64, workers)
        self.done = FORK.RawArray(ctypes.c_int64, workers)
        self.bytes = FORK.RawArray(ctypes.c_int64, workers)
        self.excused = FORK.RawArray(ctypes.c_int64, workers)

    def allowed(self, since):
        """The errors that upheavals since the number `since` may have caused."""
        found = frozenset()
        for number in range(since, self.number.value + 1):
            upheaval = (number + 1) // 2
            if number % 2 == 1 or number > since:
                found |= KILLED if self.was_killed[upheaval] else DETACHED
        return found

    def fault(self, text):
        with open(self.fault_log, "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text.replace("\n", " ")[:1000] + "\n")


class Worker:
    """One process that does the same again and again."""

    pause = 0.0

    def __init__(self, shared, slot, mnt, source, seed):
        self.shared, self.slot, self.mnt, self.source = shared, slot, mnt, source
        self.chance = random.Random(seed * 1000 + slot)
        self.name = f"{type(self).__name__.lower()} {slot}"
        self.process = None

    def start(self):
        self.shared.alive[self.slot] = time.monotonic()
        self.process = FORK.Process(target=self.run, name=self.name, daemon=True)
        self.process.start()

    def run(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        shared, slot = self.shared, self.slot
        # Another series if it is started again.
        self.chance.seed(f"{self.name} {self.chance.random()} {shared.done[slot]}")
        while not shared.stop.value:
            shared.since[slot] = shared.number.value
            self.progress()
            try:
                self.work()
                shared.done[slot] += 1
            except Fault as fault:
                shared.fault(f"{self.name}: {fault}")
            except OSError as error:
                if error.errno in shared.allowed(shared.since[slot]):
                    shared.excused[slot] += 1
                    time.sleep(0.05)
                else:
                    shared.fault(f"{self.name}: {error}")
            if self.pause:
                time.sleep(self.chance.random() * self.pause)

    def progress(self):
        self.shared.alive[self.slot] = time.monotonic()

    def read(self, length):
        self.shared.bytes[self.slot] += length
        self.progress()

    def any_file(self):
        return self.chance.choice(self.shared.files)

    @contextlib.contextmanager
    def both(self, path):
        """The file in the mount and the original, as descriptors."""
        with contextlib.ExitStack() as opened:
            descriptors = []
            for tree in (self.mnt, self.source):
                descriptors.append(os.open(os.path.join(tree, path), os.O_RDONLY | os.O_CLOEXEC))
                opened.callback(os.close, descriptors[-1])
            yield descriptors

    def any_range(self, size):
        at = self.chance.randrange(size)
        if self.chance.random() < 0.3:
            at &= ~0xFFF
        return at, min(self.chance.randrange(1, 1 << self.chance.randrange(4, 21)), size - at)


class Reader(Worker):
    """Reads files and pieces of files."""

    def work(self):
        path, size, digest = self.any_file()
        if size > 64 * MIB or size > 0 and self.chance.random() < 0.4:
            return self.ranges(path, size)
        with open(os.path.join(self.mnt, path), "rb", buffering=0) as file:
            hasher, length = hashlib.sha256(), 0
            while piece := file.read(1 << self.chance.randrange(12, 21)):
                hasher.update(piece)
                length += len(piece)
                self.read(len(piece))
        if length != size or hasher.digest() != digest:
            raise Fault(f"{path}: {length} bytes of {size}, SHA-256 {hasher.hexdigest()}")

    def ranges(self, path, size):
        with self.both(path) as (seen, original):
            for _ in range(self.chance.randrange(1, 20)):
                at, length = self.any_range(size)
                found = b""
                while len(found) < length:
                    piece = os.pread(seen, length - len(found), at + len(found))
                    if not piece:
                        raise Fault(f"{path}: ends at {at + len(found)} instead of {size}")
                    found += piece
                self.read(length)
                if found != os.pread(original, length, at):
                    raise Fault(f"{path}: wrong bytes in {length} from {at}")


class Mapper(Worker):
    """Looks at pieces of mapped files. A page that cannot be read kills it."""

    def work(self):
        path, size, _ = self.any_file()
        if size == 0:
            return
        with self.both(path) as (seen, original):
            with mmap.mmap(seen, size, prot=mmap.PROT_READ) as mapped:
                for _ in range(self.chance.randrange(1, 30)):
                    at, length = self.any_range(size)
                    found = mapped[at : at + length]
                    self.read(length)
                    if found != os.pread(original, length, at):
                        raise Fault(f"{path}: wrong bytes mapped in {length} from {at}")


class Walker(Worker):
    """Walks the tree, or a part of it, and compares with the source."""

    pause = 1.0

    def work(self):
        tops = sorted(os.listdir(self.source))
        part = self.chance.choice([""] + tops)
        if not os.path.isdir(os.path.join(self.source, part)):
            part = ""
        kind = self.chance.choice(["find", "ls", "du"])
        found, status, errors = self.walk(kind, os.path.join(self.mnt, part))
        wanted, _, _ = self.walk(kind, os.path.join(self.source, part))
        if status != 0 or found != wanted:
            # The tools tell an error their own way: the upheaval is all that is asked for.
            if not self.shared.allowed(self.shared.since[self.slot]):
                raise Fault(f"{kind} of '{part}': status {status}, {errors or 'another tree'}")
            self.shared.excused[self.slot] += 1

    def walk(self, kind, dir):
        """The sorted lines of find, the number of lines of the others."""
        command = {
            "find": ["find", dir] + FIND,
            "ls": ["ls", "-lR", dir],
            "du": ["du", "-a", dir],
        }[kind]
        # Errors go to a file: an upheaval causes more of them than a pipe holds.
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process:
                lines = []
                for line in process.stdout:
                    lines.append(line)
                    if len(lines) % 100 == 0:
                        self.progress()
            said.seek(0)
            errors = said.read(300).decode(errors="replace")
        return sorted(lines) if kind == "find" else len(lines), process.returncode, errors


class Dropper(Worker):
    """Empties the kernel's caches."""

    pause = 2.0

    def work(self):
        drop_caches()


class Mounter(Worker):
    """Mounts the picture once more, reads a little, and unmounts it."""

    pause = 1.0

    def __init__(self, shared, slot, mnt, source, seed, picture):
        super().__init__(shared, slot, mnt, source, seed)
        self.picture = picture

    def work(self):
        options = self.chance.choice(["", "threads=1", "mem=16M,threads=4", "allow_other"])
        with Mount(self.picture, self.mnt, options) as mount:
            for _ in range(self.chance.randrange(40)):
                self.progress()
                path, size, digest = self.any_file()
                if size < 8 * MIB:
                    with open(mount.path(path), "rb") as file:
                        if hashlib.file_digest(file, "sha256").digest() != digest:
                            raise Fault(f"{path}: another SHA-256 in a mount of its own")
                    self.read(size)
            self.progress()
            mount.unmount(seconds=55)
