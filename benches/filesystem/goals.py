"""What pxfs is to reach beside its peers."""

from dataclasses import dataclass

from .contestants import MEMORY_BUDGET
from .results import spread


@dataclass(frozen=True)
class Goal:
    """`contestant` takes at most `most` of what `peer` takes, in `what` (a field of Run)."""

    text: str
    workload: str
    peer: str
    most: float
    what: str = "seconds"
    contestant: str = "pxfs"


SQUASHFS, LL = "squashfs", "squashfuse_ll"
Z15, Z3 = "squashfs-15", "squashfs-3"
GOALS = (
    Goal("cold find, kernel squashfs", "find", SQUASHFS, 0.6),
    Goal("cold find, squashfuse_ll", "find", LL, 0.25),
    Goal("cold tar, kernel squashfs", "tar", SQUASHFS, 0.4),
    Goal("cold tar, squashfuse_ll", "tar", LL, 0.25),
    Goal("cold cat by 4, kernel squashfs", "cat4", SQUASHFS, 0.5),
    Goal("cold grep, kernel squashfs", "grep", SQUASHFS, 0.8),
    Goal("warm tar, kernel squashfs", "tar-warm", SQUASHFS, 1.0),
    Goal("cold large files in a row, kernel squashfs", "large", SQUASHFS, 0.5),
    Goal("cold random reads, kernel squashfs", "random", SQUASHFS, 0.8),
    Goal("mount, ls, umount, squashfuse_ll", "mount", LL, 1.0),
    Goal("size of the tree, zstd 15", "make-tree", Z15, 0.90, "size"),
    Goal("time to make it, zstd 15", "make-tree", Z15, 0.15),
    Goal("size of the large files, zstd 15", "make-large", Z15, 1.0, "size"),
    Goal("time to make them, zstd 15", "make-large", Z15, 0.25),
    Goal("--best, size of the tree, zstd 15", "make-tree", Z15, 0.80, "size", "pxfs-best"),
    Goal("--best, time to make it, zstd 15", "make-tree", Z15, 1.0, "seconds", "pxfs-best"),
    Goal("--fast, size of the tree, zstd 3", "make-tree", Z3, 1.0, "size", "pxfs-fast"),
    Goal("--fast, time to make it, zstd 3", "make-tree", Z3, 0.6, "seconds", "pxfs-fast"),
    # 1.5 times as fast.
    Goal("unpacking the tree, unsquashfs", "unpack-tree", "unsquashfs", round(1 / 1.5, 3)),
)


@dataclass(frozen=True)
class Verdict:
    """A goal, what was measured (None if it was not), and whether that is enough."""

    text: str
    most: str
    found: object
    shown: str
    reached: bool


def verdicts(results, reading):
    """All goals judged; `reading` are the names of the workloads on mounts."""
    judged = []
    for goal in GOALS:
        found = results.ratio(goal.workload, goal.contestant, goal.peer, goal.what)
        shown = f"{found.median:.2f} ({found.low:.2f} .. {found.high:.2f})" if found else "-"
        # What is shown is judged: no goal is missed by what nobody can see.
        reached = bool(found) and round(found.median, 2) <= round(goal.most, 2)
        judged.append(Verdict(goal.text, f"{goal.most:.2f}", found, shown, reached))
    peaks = [run.rss for name in reading for run in results.of(name, "pxfs") if run.rss]
    found = spread(peaks)
    shown = f"{found.high / 2**20:.0f} MiB" if found else "-"
    most = f"{MEMORY_BUDGET >> 20} MiB"
    reached = bool(found) and found.high <= MEMORY_BUDGET
    judged.append(Verdict("peak memory of a mount", most, found, shown, reached))
    return judged
