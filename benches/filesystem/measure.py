"""One command: what it took, and what it printed."""

import hashlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


class BenchError(Exception):
    """A sentence for the user; the benchmark ends with it."""


@dataclass
class Taken:
    """What a command took, its children included; `busy` is what the whole
    machine's processors did meanwhile, others' work included."""

    seconds: float
    cpu: float
    rss: int
    output: str
    busy: float = 0


def run(argv, cwd=None, env=None, peak=False):
    """Runs a command to its end; a status other than 0 is a BenchError.

    Its output goes to files, so that no reader of ours takes part in the race.
    It gets a session of its own: an interrupted pipeline is killed as a whole.

    `peak` asks for its memory, by way of GNU time. wait4 here would not do: a
    child's ru_maxrss begins with what the process had that forked it, and so no
    program could be smaller than this Python.
    """
    words = [str(word) for word in argv]
    with (
        tempfile.TemporaryFile(dir="/dev/shm") as out,
        tempfile.TemporaryFile() as err,
        tempfile.NamedTemporaryFile(dir="/dev/shm") as memory,
    ):
        clocked = ["/usr/bin/time", "-q", "-f", "%M", "-o", memory.name] if peak else []
        busy, start = busy_so_far(), time.perf_counter()
        child = subprocess.Popen(
            clocked + words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        seconds, busy = time.perf_counter() - start, busy_so_far() - busy
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            err.seek(0)
            said = err.read().decode(errors="replace").strip()[-500:]
            raise BenchError(
                f"`{' '.join(words)}` ended with {child.returncode}: {said or 'no word'}"
            )
        out.seek(0)
        output = out.read().decode(errors="surrogateescape")
        rss = int(memory.read()) * 1024 if peak else 0
    return Taken(seconds, usage.ru_utime + usage.ru_stime, rss, output, busy)


def busy_so_far():
    """Seconds that all processors together were busy since the start, stolen ones included."""
    with open("/proc/stat", encoding="ascii") as file:
        times = [int(word) for word in file.readline().split()[1:9]]
    user, nice, system, _idle, _waiting, irq, softirq, steal = times
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def shell(script, cwd=None, env=None):
    """Runs a bash script in which a failure anywhere in a pipeline counts."""
    return run(["bash", "-o", "pipefail", "-ec", script], cwd, env)


def fingerprint(output):
    """What is compared of an output: itself if short, else a digest of its
    lines, sorted, because the order of a directory is a file system's own affair."""
    if len(output) <= 80:
        return output.strip()
    lines = sorted(output.encode(errors="surrogateescape").splitlines())
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()
    return f"{len(lines)} lines, {digest[:16]}"


def drop_caches():
    """Makes all cold: pages, directory entries, inodes; the programs' pages too."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


def server_file(pid, name):
    """A file of a server's in /proc; that it is gone is a BenchError."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise BenchError(f"the server {pid} ended in the middle of a run") from None


def server_cpu(pid):
    """Seconds of processor time a process has had so far, in steps of 10 ms."""
    fields = server_file(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_peak(pid):
    """The most memory a process had at a time (VmHWM), in bytes."""
    for line in server_file(pid, "status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"the server {pid} ended in the middle of a run")
