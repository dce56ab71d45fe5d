"""Collects the runs, refuses results that differ, and computes what is shown."""

import json
from dataclasses import asdict, dataclass
from statistics import median

from .measure import BenchError


@dataclass(frozen=True)
class Run:
    """One contestant's run of one workload. Bytes, seconds."""

    workload: str
    contestant: str
    round: int
    seconds: float
    cpu: float
    rss: int
    busy: float
    size: int = 0


@dataclass(frozen=True)
class Spread:
    """A median and what it lies between."""

    median: float
    low: float
    high: float


def spread(values):
    """The spread of some numbers; None of none."""
    values = list(values)
    return Spread(median(values), min(values), max(values)) if values else None


class Results:
    """All runs, and what ran where (`facts`, see machine.py)."""

    def __init__(self, facts, runs=()):
        self.facts = facts
        self.runs = list(runs)
        self._expected = {}

    def add(self, workload, contestant, round_number, taken, size=0, result=""):
        """Keeps a run, says it, and ends the benchmark if its result is not the others'."""
        self.check(workload, contestant, result)
        took = (taken.seconds, taken.cpu, taken.rss, taken.busy)
        self.runs.append(Run(workload, contestant, round_number, *took, size))
        more = f"  {size:>13,} bytes" if size else f"  {result}" if result else ""
        print(f"  {workload:<13} {contestant:<14} {taken.seconds:>9.3f} s{more}", flush=True)

    def check(self, workload, contestant, result):
        """Times of different work are not comparable: a difference is an error."""
        first, expected = self._expected.setdefault(workload, (contestant, result))
        if result != expected:
            raise BenchError(
                f"{workload}: {contestant} gives '{result}', but {first} gave '{expected}'"
            )

    def of(self, workload, contestant):
        """The runs of one contestant."""
        return [r for r in self.runs if (r.workload, r.contestant) == (workload, contestant)]

    def spread(self, workload, contestant, what="seconds"):
        """Median and range of `what`; None if it did not run."""
        return spread(getattr(run, what) for run in self.of(workload, contestant))

    def ratio(self, workload, contestant, peer, what="seconds"):
        """What `contestant` takes for each 1 of `peer`: both of the same round
        are divided, then the median of the rounds is taken, so that a slow
        minute of the machine hits both sides of each division."""
        peers = {run.round: getattr(run, what) for run in self.of(workload, peer)}
        own = [(run.round, getattr(run, what)) for run in self.of(workload, contestant)]
        return spread(value / peers[number] for number, value in own if peers.get(number))

    def contestants(self, workload):
        """Who ran it, as first come."""
        return list(dict.fromkeys(run.contestant for run in self.runs if run.workload == workload))

    def others(self):
        """How many processors others kept busy, on average over all clocked time."""
        clocked = sum(run.seconds for run in self.runs)
        taken = sum(run.busy - run.cpu for run in self.runs)
        return max(0.0, taken / clocked) if clocked else 0.0

    def rounds(self, workloads):
        """How often these were run at most."""
        counts = [len(self.of(w, c)) for w in workloads for c in self.contestants(w)]
        return max(counts, default=0)

    def write(self, path):
        """The raw results, for programs, and for --from."""
        data = {"facts": self.facts, "runs": [asdict(run) for run in self.runs]}
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def read(paths):
    """Results from files of `write`. Parts of one benchmark may lie in several
    files; the same machine and programs must stand in all of them."""
    facts, runs = None, []
    for index, path in enumerate(paths):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            # Rounds are paired within a file only.
            parts = [Run(**{**run, "round": run["round"] + index * 1000}) for run in data["runs"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{path} has no results of this benchmark: {error}") from None
        facts = facts or data["facts"]
        for what in ("machine", "versions", "quick"):
            if facts[what] != data["facts"][what]:
                raise BenchError(f"{path} and {paths[0]} differ in '{what}': not one benchmark")
        for name in ("tree", "large"):
            if facts["corpora"][name] != data["facts"]["corpora"][name]:
                raise BenchError(f"{path} and {paths[0]} are of different trees '{name}'")
        runs += parts
    return Results(facts, runs)
