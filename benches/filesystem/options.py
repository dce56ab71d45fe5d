"""The command line."""

import argparse
import fnmatch
from pathlib import Path

from . import report
from .contestants import CONTESTANTS

PAIRS = [f"{kind}-{corpus}" for kind in ("make", "unpack") for corpus in report.CORPORA]


def arguments(words=None):
    """The options, checked before anything is touched."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures pxfs beside squashfs and EROFS in one run, as root. A full run "
        "writes docs/benchmarks.md; it takes an hour or more, and a quiet machine.",
        epilog="PXFS=/path/to/pxfs takes that program instead of building one.",
    )
    add = parser.add_argument
    add("--rounds", type=int, metavar="N", help="rounds in which all take turns (5)")
    add("--make-rounds", type=int, metavar="N", help="another number of them for making images")
    add("--only", action="append", metavar="PATTERN", default=[],
        help="these workloads only, as a shell pattern; may be repeated")
    add("--also", action="append", metavar="NAME", default=[],
        choices=[c.name for c in CONTESTANTS if not c.default],
        help="lets %(choices)s take part in reading as well; may be repeated")
    add("--list", action="store_true", help="lists the workloads, and ends")
    add("--quick", action="store_true", help="a smoke test: one round, small trees")
    add("--tree", type=existing, metavar="DIR", help="instead of Debian's kernel sources")
    add("--large", type=existing, metavar="DIR", help="instead of the Rust toolchain's large files")
    add("--work", type=Path, metavar="DIR",
        help="keeps trees and images here for the next run (else a folder that is removed)")
    add("--json", type=Path, metavar="FILE",
        help="writes the raw results, also of a run that failed")
    add("--docs", type=Path, metavar="DIR",
        help="where benchmarks.md and images/ go (a full run: docs/; others: nowhere)")
    add("--from", type=Path, action="append", metavar="FILE", dest="from_files",
        help="runs nothing: writes the page from files of --json; may be repeated")
    options = parser.parse_args(words)
    if options.rounds is None:
        options.rounds = 1 if options.quick else 5
    if options.make_rounds is None:
        options.make_rounds = options.rounds
    if min(options.rounds, options.make_rounds) < 1:
        parser.error("there must be a round at least")
    for pattern in options.only:
        if not any(fnmatch.fnmatch(name, pattern) for name in all_names()):
            parser.error(f"no workload is called {pattern}: --list names them")
    return options


def existing(text):
    """A folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no directory")
    return path.resolve()


def all_names():
    """The names of all workloads."""
    return PAIRS + [workload.name for workload in report.ON_MOUNTS]
