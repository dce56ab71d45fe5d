"""A tree to make a picture of: files that people wrote, and hard ones beside them."""

import hashlib
import os
import random
import shutil

from lab import MIB

# What is on every machine that built pxfs, and after it what is on every machine.
PLACES = [os.path.expanduser("~/.cargo/registry/src"), "/usr/share/doc", "/usr/lib/python3"]


def make(path, mib, tree=None):
    """Copies so many MiB of `tree`, and adds large, sparse and empty files."""
    os.mkdir(path)
    trees = [tree] if tree else [place for place in PLACES if os.path.isdir(place)]
    left = mib * MIB
    for number, tree in enumerate(trees):
        left -= copy(tree, f"{path}/tree-{number}", left)
    chance = random.Random(1)
    os.mkdir(f"{path}/large")
    write(f"{path}/large/noise", chance.randbytes(6 * MIB + 123))
    lines = b"".join(b"%d a line of a long file %d\n" % (n, n * n) for n in range(50_000))
    write(f"{path}/large/text", (lines * 40)[: mib * MIB // 6])
    write(f"{path}/empty", b"")
    with open(f"{path}/large/sparse", "wb") as file:
        for place in range(0, 400 * MIB, 37 * MIB):
            file.seek(place)
            file.write(chance.randbytes(100_000))
        file.truncate(500 * MIB)
    os.mkdir(f"{path}/many")
    for number in range(3000):
        write(f"{path}/many/{number:05}.txt", b"file %d\n" % number * (1 + number % 40))
    os.link(f"{path}/many/00001.txt", f"{path}/many/link")
    os.symlink("many/00002.txt", f"{path}/symlink")


def copy(source, target, most):
    """Copies directories and regular files until it is enough; returns the bytes."""
    done = 0
    for dir, dirs, files in os.walk(source):
        dirs.sort()
        os.makedirs(target + dir[len(source):], exist_ok=True)
        for name in sorted(files):
            path = os.path.join(dir, name)
            if os.path.isfile(path) and not os.path.islink(path):
                if done >= most:
                    return done
                done += os.path.getsize(path)
                shutil.copy2(path, target + path[len(source):])
    return done


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def scan(root):
    """Each regular file below: its path from there, its size and SHA-256."""
    found = []
    for dir, dirs, names in os.walk(root):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(dir, name)
            if os.path.islink(path):
                continue
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            found.append((os.path.relpath(path, root), os.path.getsize(path), digest))
    return found
