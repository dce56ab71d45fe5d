"""The trees that images are made of."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import measure
from .measure import BenchError

LINUX = "/usr/src/linux-source-6.1.tar.xz"
LARGE_FILE = 4 << 20
QUICK_LARGE = 24 << 20
PLACES_OF_LARGE = ("lib", "bin", "libexec", "lib/rustlib/*/bin")


@dataclass(frozen=True)
class Corpus:
    """A tree and its size: regular files and their bytes."""

    name: str
    path: Path
    what: str
    files: int
    bytes: int


def describe(name, path, what):
    """Counts a tree. Links are not followed: they are not content."""
    files = size = 0
    for folder, _, names in os.walk(path):
        for entry in names:
            status = os.lstat(os.path.join(folder, entry))
            if status.st_mode & 0o170000 == 0o100000:
                files, size = files + 1, size + status.st_size
    if files == 0:
        raise BenchError(f"{path} has no files: nothing to measure")
    return Corpus(name, path, what, files, size)


def whole(path, fill):
    """Fills `path` unless it is there, so that a half-made tree is never used."""
    if not path.exists():
        part = path.with_name(path.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fill(part)
        part.rename(path)
    return path.resolve()


def tree(work, given, quick):
    """Many small files: the kernel's sources, or Python's library for --quick."""
    if given:
        return describe("tree", given, f"`{given.name}`")
    if quick:
        library = Path(os.__file__).parent
        return describe("tree", library, f"Python's library (`{library}`)")

    def unpack(to):
        measure.run(["tar", "-C", to, "--strip-components=1", "-xf", LINUX])

    return describe("tree", whole(work / "tree", unpack), "Debian's linux-source-6.1, unpacked")


def large(work, given, quick):
    """Few large files: those of the Rust toolchain, which builds pxfs anyway."""
    if given:
        return describe("large", given, f"`{given.name}`")
    name = "large-quick" if quick else "large"

    def copy(to):
        for file in toolchain_files(QUICK_LARGE if quick else None):
            shutil.copy2(file, to / file.name)

    what = "the Rust toolchain's files over 4 MB"
    return describe("large", whole(work / name, copy), what + (", some" if quick else ""))


def toolchain_files(most):
    """Regular files over 4 MB, the smallest first; `most` bytes in all if given."""
    if not shutil.which("rustc"):
        raise BenchError("there is no rustc, whose files would be the large ones; use --large DIR")
    asked = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True)
    if asked.returncode != 0:
        said = asked.stderr.strip()
        raise BenchError(f"rustc does not say where it is ({said}); use --large DIR")
    root = Path(asked.stdout.strip())
    found = {path for place in PLACES_OF_LARGE for path in root.glob(f"{place}/*")}
    regular = [path for path in found if path.is_file() and not path.is_symlink()]
    chosen, total = [], 0
    for path in sorted(regular, key=lambda path: (path.stat().st_size, path.name)):
        size = path.stat().st_size
        if size > LARGE_FILE and (most is None or not chosen or total + size <= most):
            chosen.append(path)
            total += size
    if not chosen:
        raise BenchError(f"{root} has no files over 4 MB; use --large DIR")
    return chosen


def small(work, repository):
    """What small jobs need: a git repository of some hundred files, and a program."""

    def fill(to):
        for part in ("src", "docs", "tests"):
            shutil.copytree(repository / part, to / "repository" / part)
        git = ["git", "-C", to / "repository", "-c", "user.name=bench", "-c", "user.email=@"]
        measure.run([*git, "init", "--quiet"])
        measure.run([*git, "add", "."])
        measure.run([*git, "commit", "--quiet", "-m", "bench"])
        (to / "bin").mkdir()
        shutil.copy2(shutil.which("true"), to / "bin/true")

    return describe("small", whole(work / "small", fill), "a git repository and a program")


def warm(corpus):
    """Reads all of a tree, so that whoever packs it first has no drawback."""
    measure.shell("find . -type f -exec cat {} + | wc -c", cwd=corpus.path)
