"""Who takes part in reading, and how each is mounted and unmounted."""

import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import measure, program
from .measure import BenchError

# What pxfs may use: its default of `-o mem=`, and what stands beside the caches.
MEMORY_BUDGET = (256 + 32) << 20


@dataclass(frozen=True)
class Contestant:
    """A way to mount an image. `maker` names the image in images.MAKERS."""

    name: str
    title: str
    maker: str
    mount: tuple
    served: bool
    # Whether it takes part without being asked for by --also.
    default: bool = True

    def mount_argv(self, image, where):
        """The command that mounts."""
        return program.command([*self.mount, "IMAGE", "DEST"], IMAGE=image, DEST=where)


_PXFS = ("PXFS", "mount", "--quiet")
_LOOP = ("-o", "loop,ro")
CONTESTANTS = (
    Contestant("pxfs", "pxfs", "pxfs", _PXFS, True),
    Contestant(
        "squashfs", "kernel squashfs", "squashfs-15", ("mount", "-t", "squashfs", *_LOOP), False
    ),
    Contestant("squashfuse_ll", "squashfuse_ll", "squashfs-15", ("squashfuse_ll",), True),
    Contestant("erofs", "kernel erofs", "erofs", ("mount", "-t", "erofs", *_LOOP), False),
    Contestant("pxfs-fast", "pxfs --fast", "pxfs-fast", _PXFS, True, default=False),
    Contestant("pxfs-best", "pxfs --best", "pxfs-best", _PXFS, True, default=False),
    Contestant(
        "squashfs-3", "kernel squashfs, zstd 3", "squashfs-3",
        ("mount", "-t", "squashfs", *_LOOP), False, default=False,
    ),
)


def server_of(where):
    """The process that serves the mount on `where`: its arguments name it."""
    wanted = os.fsencode(where)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in arguments:
                return int(entry.name)
    raise BenchError(f"no process serves {where}: the mount died, or was never there")


@contextmanager
def mounted(contestant, image, where):
    """Mounts for the length of a `with`, and gives the server's pid, or None."""
    where.mkdir(parents=True, exist_ok=True)
    measure.run(contestant.mount_argv(image, where))
    pid = None
    try:
        pid = server_of(where) if contestant.served else None
        yield pid
    finally:
        unmount(where)
        if pid:
            wait_for_end(pid)


def unmount(where):
    """Unmounts, gently at first: somebody may still be looking in."""
    for _ in range(20):
        if subprocess.run(["umount", where], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", where], check=False, capture_output=True)


def wait_for_end(pid):
    """A server that is still tidying up must not share the next run's processor."""
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def is_alive(pid):
    """Whether a process still does something. One that only waits for its parent,
    a zombie, does not; in containers nobody may come for it for seconds."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def unmount_all_below(folder):
    """What an interrupted run left mounted goes away, newest first. `folder` is ours
    alone: somebody's own mounts beside it are none of our business."""
    prefix = f"{folder}/"
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    points = [line.split()[1].encode().decode("unicode_escape") for line in mounts.splitlines()]
    for point in reversed(points):
        if point.startswith(prefix):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
