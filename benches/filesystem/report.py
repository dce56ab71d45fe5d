"""Writes docs/benchmarks.md and its pictures from results, nothing else."""

from . import goals, plot
from .images import MAKERS
from .tables import (
    making_table, mebibytes, megabytes, plain_table, reading_table, seconds, table, title_of,
    took_part, unpacking_table,
)
from .workloads import MOUNTING, READING

MARKER = "<!-- written by hand below -->"
BY_HAND = f"{MARKER}\n\n## Where pxfs loses\n\nNot written yet.\n"
ON_MOUNTS = READING + MOUNTING
CORPORA = ("tree", "large")

HOW = """## How it is measured

- **Cold**: the image is freshly mounted, then `sync; echo 3 >/proc/sys/vm/drop_caches`, then the
  clock starts. Pages, directory entries, inodes and the programs themselves come from the disk
  again. What a FUSE server read while it was mounted, it keeps. In a virtual machine the host
  may have the disk's contents in its memory all the same.
- **Warm**: the same was done once on the same mount. Images are made from a source that is warm.
- In each round the contestants take turns, and each round begins with another one. A cell is the
  median, with the range of all rounds. A **ratio** is what pxfs takes for each 1 of the peer: the
  two of the same round are divided, then the median is taken.
- The results are compared (bytes, digests of listings and of what random reads gave; once, of all
  names and all contents with the source): the benchmark ends at the first difference.
- "A part" is `fs` of the kernel's sources.
- Processor time is that of the commands and of the FUSE server. A server's memory is its peak
  (VmHWM) from its start on; that of other commands is GNU time's.
- `pxfs mkfs` brings its picture safely to the disk (fsync) before it ends; the others do not.
"""
# Processors that others may keep busy before it is said that the numbers suffer.
QUIET = 0.1


def noise(results):
    """How much else the machine did: a sentence, and whether that was too much."""
    others = results.others()
    text = f"other work kept {others:.2f} processors busy while the clock ran"
    return text, others > QUIET


def goals_table(results):
    """Each goal with its number."""
    rows = []
    for v in goals.verdicts(results, [workload.name for workload in ON_MOUNTS]):
        state = "not measured" if not v.found else "yes" if v.reached else "**no**"
        rows.append([v.text, v.most, v.shown, state])
    return table(["pxfs / peer", "at most", "measured", "reached"], rows)


def facts_text(facts):
    """The machine, the versions and the corpora."""
    lines = [f"- {name}: {value}" for name, value in facts["machine"].items()]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines.append(f"- versions: {versions}")
    for name, corpus in facts["corpora"].items():
        size = megabytes(corpus["bytes"])
        lines.append(f"- `{name}`: {corpus['what']}; {corpus['files']:,} files, {size}")
    return "## On what\n\n" + "\n".join(lines) + "\n"


def opening(results):
    """The title, and when it was."""
    reading = results.rounds([workload.name for workload in ON_MOUNTS])
    making = results.rounds([f"make-{corpus}" for corpus in CORPORA])
    date = results.facts["date"]
    yield (
        f"# Benchmarks\n\nWritten by `scripts/bench` on {date}. Rounds of reading: {reading}, of "
        f"making images: {making}.\nThe last section is by hand, and stays.\n"
    )
    if results.facts["quick"]:
        yield "**A smoke test: so small a tree and one round say nothing about speed.**\n"
    text, too_much = noise(results)
    if too_much:
        yield f"**The machine was not quiet: {text}. Do not trust these numbers.**\n"


def sections(results):
    """The whole page, without what is written by hand."""
    facts = results.facts
    yield from opening(results)
    yield "## Goals\n\n" + goals_table(results)
    yield facts_text(facts) + f"- {noise(results)[0]}\n"
    yield HOW
    workloads = [workload for workload in ON_MOUNTS if results.contestants(workload.name)]
    if workloads:
        about = "Times; in bold what pxfs takes for each 1 of that peer."
        yield f"## Reading\n\n{about}\n\n" + reading_table(results, workloads)
        reading = [workload for workload in workloads if workload in READING]
        cpu = plain_table(results, reading, "cpu", seconds)
        yield "### Processor time\n\n" + cpu
        bound = mebibytes(facts["budget"])
        peaks = plain_table(results, reading, "rss", mebibytes, served=True)
        about = f"The bound for pxfs is {bound}: `mem=256M`, and 32 MiB beside it."
        yield f"### Memory of the servers\n\n{about}\n\n{peaks}"
    for kind, title, form in (
        ("make", "Making images", making_table),
        ("unpack", "Unpacking without a mount", unpacking_table),
    ):
        for corpus in CORPORA:
            if results.contestants(f"{kind}-{corpus}"):
                yield f"## {title}: {corpus}\n\n" + form(results, f"{kind}-{corpus}")


def pictures(results):
    """The SVGs by name: reading, and making."""
    reading = []
    for workload in ON_MOUNTS:
        columns = [c for c in took_part(results, [workload]) if c.default]
        found = [(c.name, c.title, results.spread(workload.name, c.name)) for c in columns]
        bars = [(name, title, s, seconds(s.median)) for name, title, s in found]
        if bars:
            reading.append((title_of(workload).replace("`", "").replace("\\|", "|"), bars))
    making = []
    for corpus in CORPORA:
        for what, form in (("size", megabytes), ("seconds", seconds)):
            found = {m: results.spread(f"make-{corpus}", m.name, what) for m in MAKERS}
            bars = [(m.name, m.title, s, form(s.median)) for m, s in found.items() if s]
            if bars:
                making.append((f"{corpus}: {'time' if what == 'seconds' else what}", bars))
    note = "Medians; the thin lines are the ranges. Less is better."
    for name, title, panels in (
        ("bench-reading", "Reading", reading), ("bench-making", "Making images", making)
    ):
        if panels:
            yield name, plot.chart(title, note, panels)


def write(results, docs):
    """Writes the page and its pictures; what was written by hand there stays."""
    page = docs / "benchmarks.md"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    by_hand = old[old.index(MARKER):] if MARKER in old else BY_HAND
    (docs / "images").mkdir(parents=True, exist_ok=True)
    parts = list(sections(results))
    for name, svg in pictures(results):
        (docs / "images" / f"{name}.svg").write_text(svg, encoding="utf-8")
        parts.append(f"![{name.replace('-', ' ')}](images/{name}.svg)\n")
    page.write_text("\n".join([*parts, by_hand]), encoding="utf-8")


def show(results):
    """The tables of goals on standard output, for whoever ran it."""
    note = " (a smoke test: they mean nothing)" if results.facts["quick"] else ""
    print(f"\n== Goals{note}")
    for v in goals.verdicts(results, [workload.name for workload in ON_MOUNTS]):
        state = "-" if not v.found else "reached" if v.reached else "NOT reached"
        print(f"  {v.text:<42} <= {v.most:<8} {v.shown:<22} {state}")
    text, too_much = noise(results)
    print(f"\n  {text}" + (": TOO MUCH, the numbers suffer" if too_much else ""))
