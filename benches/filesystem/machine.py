"""What a benchmark ran on: the machine, the versions, the corpora."""

import datetime
import gzip
import os
import platform
import re
import subprocess
from pathlib import Path

from . import program
from .contestants import MEMORY_BUDGET

PACKAGES = ("squashfs-tools", "squashfuse", "erofs-utils", "tar", "grep", "findutils",
            "coreutils", "rsync")


def word_of(path, name):
    """The value of the first line `name : value` of a file of /proc."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def said(*argv):
    """What a command prints, or 'unknown'."""
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip() or "unknown"
    except OSError:
        return "unknown"


def file_system_of(folder):
    """The type of the file system that a folder lies on. Of several mounted on one
    place, the last is what one sees."""
    found = said("findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder))
    return found.split()[-1]


def distribution():
    """The name that the system gives itself."""
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
    return found[1] if found else "unknown"


def kernel_squashfs():
    """How the kernel's squashfs was built: with one decompressor it reads on one
    core, and without FILE_DIRECT it copies everything once more."""
    option = re.compile(r"^CONFIG_SQUASHFS_((?:FILE|DECOMP)_\w+)=y", re.MULTILINE)
    places = (("/proc/config.gz", gzip.open), (f"/boot/config-{platform.release()}", open))
    for path, opened in places:
        if Path(path).exists():
            with opened(path, "rt", encoding="utf-8") as file:
                found = option.findall(file.read())
            return ", ".join(found) or "unknown"
    return "unknown"


def facts(corpora, work, build, quick):
    """All that a reader of the numbers wants to know, ready for JSON."""
    memory = int(word_of("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    versions = {name: said("dpkg-query", "-W", "-f", "${Version}", name) for name in PACKAGES}
    own = said(program.pxfs(), "--version").split()[-1]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "quick": quick,
        "budget": MEMORY_BUDGET,
        "machine": {
            "processor": word_of("/proc/cpuinfo", "model name"),
            "cores": len(os.sched_getaffinity(0)),
            "memory": f"{memory:.1f} GiB",
            "system": f"{distribution()}, Linux {platform.release()}",
            "images on": file_system_of(work),
            "the kernel's squashfs": kernel_squashfs(),
        },
        "versions": {"pxfs": f"{own}, build {build}", **versions},
        "corpora": {
            c.name: {"what": c.what, "files": c.files, "bytes": c.bytes} for c in corpora.values()
        },
    }
