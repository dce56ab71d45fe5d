"""What scripts/stress and scripts/scale share: running pxfs, mounting, measuring.

PXFS in the environment is the program, target/release/pxfs if unset. Everything
is made in one directory below TMPDIR (/var/tmp if unset) and removed at the end.
"""

import ctypes
import ctypes.util
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PXFS = os.environ.get("PXFS", ROOT + "/target/release/pxfs")

MIB = 1 << 20
MNT_FORCE, MNT_DETACH = 1, 2

_libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


class Fault(Exception):
    """Something that pxfs did and should not have done."""


class Report:
    """Lines of numbers, and the limits that were not kept."""

    def __init__(self):
        self.faults = 0

    def heading(self, text):
        print(f"\n== {text}", flush=True)

    def line(self, what, value, most=None, unit=""):
        """A number, and the most that it may be."""
        shown = f"{value:,.1f}" if isinstance(value, float) else str(value)
        limit = "" if most is None else f"  (at most {most:,} {unit})".rstrip(" )") + ")"
        print(f"  {what:<44}{shown:>14} {unit}{limit}", flush=True)
        if most is not None and value > most:
            self.fault(f"{what}: {shown} {unit}, more than {most:,}")

    def check(self, what, is_good):
        """Something that must be so."""
        print(f"  {what:<44}{'ok' if is_good else 'FAILED':>14}", flush=True)
        if not is_good:
            self.fault(what)

    def fault(self, text):
        self.faults += 1
        print(f"  FAULT: {text}", flush=True)


class Finished:
    """A program that ran to its end."""

    def __init__(self, status, seconds, peak_mib, output):
        self.status, self.seconds, self.peak_mib, self.output = status, seconds, peak_mib, output


def run(*command, feed=None, keep=False, status=0):
    """Runs a program, which must end with `status`; `feed` writes its standard input."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=out if keep else subprocess.DEVNULL,
            stderr=errors,
        )
        watch = Peak(process)
        if feed:
            try:
                feed(process.stdin)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has said why it went
        process.wait()
        seconds = time.monotonic() - start
        peak_mib = watch.mib()
        if process.returncode != status:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
            shown = " ".join(map(os.fsdecode, command))
            raise Fault(f"{shown}: status {process.returncode}: {said[-500:]}")
        out.seek(0)
        return Finished(process.returncode, seconds, peak_mib, out.read())


class Peak:
    """The most memory that a running program has. The ru_maxrss of wait4(2) will
    not do: it begins with what this interpreter had when it started the program."""

    def __init__(self, process):
        self.process, self.kib = process, 0
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        pause = 0.001
        while self.process.returncode is None:
            try:
                self.kib = proc_kib(f"/proc/{self.process.pid}/status", "VmHWM")
            except (Fault, OSError):
                pass  # it has just ended
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def mib(self):
        self.thread.join()
        return self.kib / 1024


class Scratch:
    """A directory for everything, with whatever is mounted in it."""

    def __init__(self, name):
        if not os.access(PXFS, os.X_OK):
            sys.exit(f"{name}: there is no {PXFS}: cargo build --release, or say it in PXFS")
        if os.geteuid() != 0:
            sys.exit(f"{name}: mounts as root: run this as root")
        # Not in /tmp, which may be memory.
        parent = os.environ.get("TMPDIR", "/var/tmp")
        self.path = tempfile.mkdtemp(prefix=f"pxfs-{name}.", dir=parent)
        os.chmod(self.path, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unmount_all()
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, name):
        return os.path.join(self.path, name)

    def mounted(self):
        """The directories in here that something is mounted on, the last one first."""
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
            found = [line.split(" ")[1] for line in mounts]
        return [dir for dir in reversed(found) if dir.startswith(self.path + "/")]

    def servers(self):
        """Processes that serve a mount in here, or watch over one that does."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    name = file.read().strip()
            except OSError:
                continue
            ours = any(word.startswith(os.fsencode(self.path) + b"/") for word in words)
            if ours and name in ("mount.pxfs", "pxfs-watch") and is_running(int(pid)):
                found.append(int(pid))
        return found

    def unmount_all(self):
        for dir in self.mounted():
            # By force first: nobody may wait for a server that does not answer.
            _libc.umount2(os.fsencode(dir), MNT_FORCE)
            _libc.umount2(os.fsencode(dir), MNT_DETACH)


def umount2(dir, flags=0):
    """umount2(2)."""
    if _libc.umount2(os.fsencode(dir), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), dir)


def is_running(pid):
    """Whether there is such a process; one that is dead but not reaped is none, but
    one of which a thread is left is: its files are still open."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return ") Z " not in file.read() or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class Mount:
    """A mounted picture and its server."""

    def __init__(self, picture, dir, options="", pid_file=None):
        os.makedirs(dir, exist_ok=True)
        pid_file = pid_file or dir.rstrip("/") + ".pid"
        command = [PXFS, "mount", "--pid-file", pid_file, picture, dir]
        if options:
            command += ["-o", options]
        self.dir = dir
        self.seconds = run(*command).seconds
        with open(pid_file, encoding="ascii") as file:
            self.pid = int(file.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if is_running(self.pid):
            self.unmount()

    def path(self, name):
        return os.path.join(self.dir, name)

    def unmount(self, flags=0, seconds=30):
        """Unmounts and waits until the server is gone."""
        umount2(self.dir, flags)
        wait_until(f"end of server {self.pid}", lambda: not is_running(self.pid), seconds)

    def peak_mib(self):
        """The most memory that the server ever had."""
        return proc_kib(f"/proc/{self.pid}/status", "VmHWM") / 1024

    def rss_mib(self):
        return proc_kib(f"/proc/{self.pid}/status", "VmRSS") / 1024

    def pss_mib(self):
        """Its share of the memory, and its watcher's: what they alone have, and a part
        of what they share."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            pids = [self.pid, *map(int, children.read().split())]
        return sum(proc_kib(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids) / 1024


def proc_kib(file, field):
    """A number of KiB from a file of /proc."""
    with open(file, encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise Fault(f"{file} has no {field}")


def wait_until(what, is_done, seconds=30):
    end = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end:
            raise Fault(f"no {what} within {seconds} s")
        time.sleep(0.005)


def timed(function):
    """The seconds that it takes, and what it returns."""
    start = time.monotonic()
    result = function()
    return time.monotonic() - start, result


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def ranges(path):
    """Where a file has data: the starts and ends of what lies between holes."""
    found = []
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, at))
    return found
