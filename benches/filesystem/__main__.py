"""The order of things, and how it ends: tidied up, whatever happened."""

import fnmatch
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import contestants, corpora, images, machine, program, report, results, unpack, workloads
from .images import turned
from .measure import BenchError
from .options import all_names, arguments

REPOSITORY = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text):
    """A heading."""
    print(f"\n== {text}", flush=True)


class Bench:
    """One benchmark: its trees, its images, and what it found."""

    def __init__(self, options, work, scratch):
        self.options, self.work, self.scratch = options, work, scratch
        say("Trees")
        small = corpora.small(work, REPOSITORY)
        self.corpora = {
            "tree": corpora.tree(work, options.tree, options.quick),
            "large": corpora.large(work, options.large, options.quick),
            "small": small,
        }
        for corpus in self.corpora.values():
            size = f"{corpus.files:,} files, {corpus.bytes:,} bytes"
            print(f"  {corpus.name}: {corpus.what}; {size}")
        self.images = images.Images(work / "images", images.available())
        facts = machine.facts(self.corpora, work, self.images.build, options.quick)
        self.results = results.Results(facts)
        self.contestants = [
            c
            for c in contestants.CONTESTANTS
            if (c.default or c.name in options.also) and c.maker in self.images.makers
        ]

    def wanted(self, name):
        """Whether --only lets it through."""
        return not self.options.only or any(fnmatch.fnmatch(name, p) for p in self.options.only)

    def run(self):
        """Everything, round by round."""
        for number in range(self.options.make_rounds):
            self.pairs("make", number, self.options.make_rounds)
        reading = [w for w in workloads.fitting(self.corpora) if self.wanted(w.name)]
        self.check_contents({workload.corpus for workload in reading})
        for number in range(self.options.rounds):
            self.pairs("unpack", number, self.options.rounds)
            if reading:
                say(f"Reading, round {number + 1} of {self.options.rounds}")
            for workload in reading:
                self.read(workload, number)

    def pairs(self, kind, number, rounds):
        """One round of making, or of unpacking, both trees."""
        for name in report.CORPORA:
            if not self.wanted(f"{kind}-{name}"):
                continue
            say(f"{kind}, {name}, round {number + 1} of {rounds}")
            corpus = self.corpora[name]
            if kind == "make":
                images.measure_making(self.images, corpus, number, self.results)
            else:
                unpack.measure_unpacking(self.images, corpus, self.work, number, self.results)

    def mount_point(self, contestant):
        """Where it is mounted."""
        return self.work / "mnt" / contestant.name

    def check_contents(self, names):
        """All contestants must serve what is in the source, once and unmeasured."""
        for name in sorted(names):
            say(f"Comparing the contents of {name}")
            corpus = self.corpora[name]
            env = workloads.variables(corpus, self.scratch)
            what = f"contents of {name}"
            self.results.check(what, "the source", workloads.contents(corpus.path, env))
            for contestant in self.contestants:
                image = self.images.need(corpus, contestant.maker)
                where = self.mount_point(contestant)
                with contestants.mounted(contestant, image, where):
                    digest = workloads.contents(where, env)
                self.results.check(what, contestant.name, digest)
                print(f"  {contestant.name:<14} {digest[:16]}", flush=True)

    def read(self, workload, number):
        """One workload by all contestants, beginning with another one each round."""
        corpus = self.corpora[workload.corpus]
        env = workloads.variables(corpus, self.scratch)
        for contestant in turned(self.contestants, number):
            image = self.images.need(corpus, contestant.maker)
            where = self.mount_point(contestant)
            taken, result = workloads.run(workload, contestant, image, where, env)
            self.results.add(workload.name, contestant.name, number, taken, result=result)


def measured(options):
    """Runs the benchmark; whatever happens, nothing stays mounted."""
    work = options.work or Path(tempfile.mkdtemp(prefix="pxfs-bench."))
    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    scratch = Path(tempfile.mkdtemp(prefix="pxfs-bench.", dir="/dev/shm"))
    bench = None
    # What a killed run left behind.
    contestants.unmount_all_below(work / "mnt")
    try:
        if machine.file_system_of(work) in ("tmpfs", "ramfs") and not options.quick:
            raise BenchError(f"{work} is in memory, so nothing there is ever cold; use --work DIR")
        program.take(work / "bin")
        bench = Bench(options, work, scratch)
        bench.run()
        return bench.results
    finally:
        # Whoever presses Ctrl-C twice still wants nothing left behind.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        contestants.unmount_all_below(work / "mnt")
        shutil.rmtree(scratch, ignore_errors=True)
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
        if bench and options.json:
            bench.results.write(options.json)


def end_by_signal(number, _frame):
    """Ends as by an exception, so that everything is tidied up."""
    sys.exit(128 + number)


def main():
    """The whole."""
    options = arguments()
    if options.list:
        print("\n".join(all_names()))
        return
    for number in SIGNALS:
        signal.signal(number, end_by_signal)
    docs = options.docs
    if options.from_files:
        found = results.read(options.from_files)
        docs = docs or REPOSITORY / "docs"
    else:
        found = measured(options)
        if not (options.only or options.quick or options.tree or options.large):
            docs = docs or REPOSITORY / "docs"
    report.show(found)
    if docs:
        report.write(found, docs)
        print(f"\nwritten: {docs / 'benchmarks.md'}")


try:
    main()
except BenchError as error:
    sys.exit(f"bench: {error}")
