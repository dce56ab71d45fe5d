"""What is done with the mounts, and how one run of it goes."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from . import measure
from .contestants import mounted, unmount

RANDOM_READS = Path(__file__).with_name("random_reads.py")
MOUNTS = 10
# Few files have it, so grep reads nearly all of all of them.
RARE = "printk_once"


@dataclass(frozen=True)
class Workload:
    """A bash script that runs in the mount. Its output is compared.

    $SUB is a part of the tree, $LARGEST the largest file, $OUT an empty folder
    in memory. `after` is compared instead of the output if it is there.
    """

    name: str
    corpus: str
    title: str
    script: str
    warm: bool = False
    after: str = ""
    # The script measures itself: its first word are the seconds.
    own_clock: bool = False
    # A file of the corpus without which it cannot run.
    needs: str = ""


_TAR = "tar -cf - . | wc -c"
_GIT = "git -c safe.directory='*' -C repository status --porcelain | wc -l"
READING = (
    Workload("find", "tree", "`find -type f -printf '%s\\n'`", "find . -type f -printf '%s\\n'"),
    # Not to /dev/null: GNU tar sees that, and does not read.
    Workload("tar", "tree", "`tar -cf - . \\| wc -c`", _TAR),
    Workload("tar-warm", "tree", "`tar -cf - . \\| wc -c` again", _TAR, warm=True),
    Workload("cat4", "tree", "`cat` of all, 4 processes",
             "find . -type f -print0 | xargs -0 -P4 -n512 cat | wc -c"),
    Workload("grep", "tree", "`grep -rIl` in a part",
             f'grep -rIl {RARE} "$SUB" || [ $? = 1 ]'),
    Workload("du", "tree", "`du -a \\| wc -l`", "du -a . | wc -l"),
    Workload("rsync", "tree", "`rsync -a` of a part into memory", 'rsync -a "$SUB/" "$OUT/"',
             after="cd \"$OUT\" && find . -type f -printf '%P %s %m\\n'"),
    Workload("large", "large", "`cat *`, large files", "cat * | wc -c"),
    Workload("random", "large", "2,000 random reads of 4 KiB",
             f'/usr/bin/python3 -I {shlex.quote(str(RANDOM_READS))} "$LARGEST"', own_clock=True),
    Workload("exec-large", "large", "`./cargo --version`", "./cargo --version", needs="cargo"),
    Workload("exec", "small", "a small program, 100 times",
             "for i in {1..100}; do bin/true; done; echo done"),
    Workload("git-status", "small", "`git status`", _GIT),
)
# Not scripts in a mount: they mount themselves.
MOUNTING = (
    Workload("mount", "tree", f"mount, `ls`, umount, {MOUNTS} times: each", "", warm=True),
    Workload("mount-cold", "tree", "mount, `ls`, umount", ""),
)


def fitting(corpora):
    """All workloads that can run on these corpora; what is left out is said."""
    for workload in READING + MOUNTING:
        if workload.needs and not (corpora[workload.corpus].path / workload.needs).exists():
            print(f"  left out: {workload.name}, there is no {workload.needs} in its corpus")
        else:
            yield workload


def variables(corpus, scratch):
    """What scripts know of the corpus."""
    part = "fs" if (corpus.path / "fs").is_dir() else "."
    files = [path for path in corpus.path.iterdir() if path.is_file() and not path.is_symlink()]
    largest = max(files, key=lambda path: path.stat().st_size, default=None)
    return {"SUB": part, "LARGEST": largest.name if largest else "", "OUT": str(scratch)}


def run(workload, contestant, image, where, env):
    """One run on a fresh mount: what it took, and the result to compare.

    Memory is the server's peak, from the mount on; processor time that of the
    command and of the server. What the kernel does for its own file systems
    counts as the command's, except in its own threads.
    """
    if workload in MOUNTING:
        return run_mounting(workload, contestant, image, where), ""
    with mounted(contestant, image, where) as pid:
        if workload.warm:
            measure.shell(workload.script, where, env)
        else:
            measure.drop_caches()
        before = measure.server_cpu(pid) if pid else 0
        taken = measure.shell(workload.script, where, env)
        cpu = taken.cpu + (measure.server_cpu(pid) - before if pid else 0)
        rss = measure.server_peak(pid) if pid else 0
    seconds, output = taken.seconds, taken.output
    if workload.own_clock:
        first, output = output.split(maxsplit=1)
        seconds = float(first)
    if workload.after:
        output = measure.shell(workload.after, env=env).output
        measure.shell('find "$OUT" -mindepth 1 -delete', env=env)
    return replace(taken, seconds=seconds, cpu=cpu, rss=rss), measure.fingerprint(output)


def run_mounting(workload, contestant, image, where):
    """Mounting, looking in and unmounting; one after the other if warm.

    The servers' processor time is not in it: they are gone when one could ask.
    """
    where.mkdir(parents=True, exist_ok=True)
    place = shlex.quote(str(where))
    mount = shlex.join(contestant.mount_argv(image, where))
    once = f"{mount}; ls {place} >/dev/null; umount {place}"
    try:
        if not workload.warm:
            measure.drop_caches()
            return measure.shell(once)
        measure.shell(once)
        taken = measure.shell(f"for i in {{1..{MOUNTS}}}; do {once}; done")
    except BaseException:
        unmount(where)
        raise
    each = {name: getattr(taken, name) / MOUNTS for name in ("seconds", "cpu", "busy")}
    return replace(taken, **each)


def contents(where, env):
    """A digest of all names and all bytes: whether all contestants serve the same."""
    script = """find . -type f -printf '%P\\0' | LC_ALL=C sort -z >"$OUT/names"
        { cat "$OUT/names"; xargs -0 cat -- <"$OUT/names"; } | sha256sum
        rm "$OUT/names" """
    return measure.shell(script, where, env).output.split()[0]
