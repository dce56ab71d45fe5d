"""Copying all files out of an image without mounting it."""

import subprocess

from . import measure, program
from .images import turned

# Compared afterwards: names, sizes, modes, whole seconds of times (squashfs has no parts).
LISTING = "find . -type f -printf '%P %s %m %T@\\n' | sed 's/\\.[0-9]*$//'"
# Title, the image's maker, the command. All keep owners, modes and times.
UNPACKERS = {
    "pxfs": ("pxfs cp -a", "pxfs", ("PXFS", "cp", "-a", "-T", "IMAGE", "/", "DEST")),
    "unsquashfs": (
        "unsquashfs", "squashfs-15",
        ("unsquashfs", "-quiet", "-no-progress", "-d", "DEST", "IMAGE"),
    ),
    "fsck.erofs": ("fsck.erofs --extract", "erofs", ("fsck.erofs", "--extract=DEST", "IMAGE")),
}


def measure_unpacking(images, corpus, folder, round_number, results):
    """One round: each unpacks from cold into a file system in memory of its own.

    On a disk most of the time is the file system's, and it depends on what was
    removed there before: ext4 passes over the inodes of files just deleted.
    """
    for name in turned(list(UNPACKERS), round_number):
        _, maker, argv = UNPACKERS[name]
        image = images.need(corpus, maker)
        to = folder / "unpacked"
        to.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80%", "pxfs-bench", to], check=True)
        try:
            measure.drop_caches()
            taken = measure.run(program.command(argv, IMAGE=image, DEST=to / "all"), peak=True)
            same = measure.fingerprint(measure.shell(LISTING, to / "all").output)
            results.add(f"unpack-{corpus.name}", name, round_number, taken, result=same)
        finally:
            subprocess.run(["umount", to], check=True)
            to.rmdir()
