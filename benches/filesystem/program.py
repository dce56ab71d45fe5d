"""The pxfs that is measured, and the commands that name it."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from .measure import BenchError

_PLACES = re.compile(r"\b(PXFS|IMAGE|SOURCE|DEST)\b")
_copy = None


def take(folder):
    """Copies the program that is asked for (PXFS) into `folder`, and measures that:
    somebody may build it anew meanwhile, and then two would be called one."""
    global _copy
    asked = shutil.which(os.environ.get("PXFS", "pxfs"))
    if not asked:
        raise BenchError("there is no pxfs: set PXFS, or run scripts/bench")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "pxfs.part"
    shutil.copy(asked, part)
    _copy = part.rename(folder / "pxfs")


def pxfs():
    """Where it is."""
    return _copy


def build():
    """Which build it is: its SHA-256, shortened."""
    with open(_copy, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def command(words, **places):
    """The command with the paths put in where PXFS, IMAGE, SOURCE and DEST stand."""
    places["PXFS"] = _copy
    return [_PLACES.sub(lambda found: str(places[found[0]]), word) for word in words]
