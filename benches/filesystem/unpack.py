"""Copying all files out of an image without mounting it."""

import shutil

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
    """One round: each unpacks beside the images, from cold, and it is removed again.

    The clock stops when the command ends; what is then still to be written to
    the disk is written before the next one starts.
    """
    for name in turned(list(UNPACKERS), round_number):
        _, maker, argv = UNPACKERS[name]
        image = images.need(corpus, maker)
        to = folder / "unpacked"
        shutil.rmtree(to, ignore_errors=True)
        measure.drop_caches()
        try:
            taken = measure.run(program.command(argv, IMAGE=image, DEST=to), peak=True)
            same = measure.fingerprint(measure.shell(LISTING, to).output)
            results.add(f"unpack-{corpus.name}", name, round_number, taken, result=same)
        finally:
            shutil.rmtree(to, ignore_errors=True)
