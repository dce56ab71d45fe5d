"""Ratios, goals, and the page: what can be tested without measuring.

`PYTHONPATH=benches python3 -m unittest filesystem.test_report` runs it.
"""

import io
import json
import os
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

from . import goals, machine, measure, options, program, report, results

FACTS = {
    "date": "2020-01-01",
    "quick": False,
    "budget": 288 << 20,
    "machine": {"processor": "none"},
    "versions": {"pxfs": "0"},
    "corpora": {name: {"what": name, "files": 1, "bytes": 1} for name in ("tree", "large")},
}


def taken(seconds, rss=0, cpu=0.0, busy=0.0):
    """A run's figures."""
    return measure.Taken(seconds, cpu, rss, "", busy)


def filled(rows):
    """Results of (workload, contestant, round, seconds)."""
    made = results.Results(FACTS)
    for workload, contestant, number, seconds in rows:
        made.runs.append(results.Run(workload, contestant, number, seconds, 0, 0, 0))
    return made


class Ratios(unittest.TestCase):
    """Rounds are paired before anything is averaged."""

    def test_each_round_is_divided_by_its_own_peer(self):
        # The machine was ten times as slow in round 1; the ratio is 2 in each.
        made = filled([
            ("find", "pxfs", 0, 2.0), ("find", "squashfs", 0, 1.0),
            ("find", "pxfs", 1, 20.0), ("find", "squashfs", 1, 10.0),
        ])
        self.assertEqual(made.ratio("find", "pxfs", "squashfs"), results.Spread(2, 2, 2))

    def test_what_did_not_run_has_no_ratio(self):
        self.assertIsNone(filled([("find", "pxfs", 0, 1.0)]).ratio("find", "pxfs", "erofs"))

    def test_other_work_on_the_machine_is_seen(self):
        made = results.Results(FACTS)
        made.runs.append(results.Run("find", "pxfs", 0, 10.0, 8.0, 0, 17.0))
        self.assertAlmostEqual(made.others(), 0.9)


class Goals(unittest.TestCase):
    """What is shown is what is judged, and nothing counts as reached unmeasured."""

    def verdict(self, own, peer):
        made = filled([("find", "pxfs", 0, own), ("find", "squashfs", 0, peer)])
        return next(v for v in goals.verdicts(made, []) if v.text == "cold find, kernel squashfs")

    def test_at_and_above_the_limit(self):
        self.assertTrue(self.verdict(0.6, 1.0).reached)
        self.assertFalse(self.verdict(0.61, 1.0).reached)

    def test_nothing_measured_is_not_reached(self):
        self.assertFalse(any(v.reached for v in goals.verdicts(filled([]), ["find"])))

    def test_every_goal_names_what_there_is(self):
        names = {w.name for w in report.ON_MOUNTS}
        names |= {f"{kind}-{corpus}" for kind in ("make", "unpack") for corpus in report.CORPORA}
        for goal in goals.GOALS:
            self.assertIn(goal.workload, names)


class Differences(unittest.TestCase):
    """Times of different work are refused."""

    def test_another_result_ends_it(self):
        made = results.Results(FACTS)
        made.check("tar", "pxfs", "1024")
        made.check("tar", "squashfs", "1024")
        with self.assertRaisesRegex(measure.BenchError, "erofs gives '1023'"):
            made.check("tar", "erofs", "1023")

    def test_the_order_of_lines_is_no_difference(self):
        lines = [f"a line of a listing, {number}\n" for number in range(9)]
        forward, backward = "".join(lines), "".join(reversed(lines))
        self.assertEqual(measure.fingerprint(forward), measure.fingerprint(backward))
        self.assertNotEqual(measure.fingerprint(forward), measure.fingerprint(forward * 2))

    def test_files_of_other_machines_are_not_mixed(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, name) for name in ("a", "b")]
            filled([]).write(paths[0])
            other = {**FACTS, "machine": {"processor": "another"}}
            paths[1].write_text(json.dumps({"facts": other, "runs": []}))
            with self.assertRaisesRegex(measure.BenchError, "machine"):
                results.read(paths)


class Options(unittest.TestCase):
    """What is wrong is said before anything starts."""

    def refused(self, *words):
        with redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as end:
            options.arguments(words)
        self.assertEqual(end.exception.code, 2)
        return said.getvalue()

    def test_no_rounds_are_not_the_default(self):
        self.assertIn("a round at least", self.refused("--rounds", "0"))
        self.assertIn("a round at least", self.refused("--make-rounds", "0"))
        self.assertIn("no workload is called x", self.refused("--only", "x"))

    def test_defaults(self):
        self.assertEqual(options.arguments([]).rounds, 5)
        self.assertEqual(options.arguments(["--quick"]).make_rounds, 1)

    def test_memory_is_recognised(self):
        self.assertEqual(machine.file_system_of("/dev/shm"), "tmpfs")


class Program(unittest.TestCase):
    """What is measured does not change while it is measured."""

    def test_a_copy_is_taken_and_put_into_commands(self):
        with tempfile.TemporaryDirectory() as folder:
            asked, work = Path(folder, "pxfs"), Path(folder, "work")
            asked.write_text("#!/bin/sh\necho first\n")
            asked.chmod(0o755)
            with mock.patch.dict(os.environ, {"PXFS": str(asked)}):
                program.take(work)
            before = program.build()
            asked.write_text("another\n")
            self.assertEqual(program.build(), before)
            words = program.command(("PXFS", "--to=DEST", "IMAGES"), DEST="/IMAGE")
            self.assertEqual(words, [str(work / "pxfs"), "--to=/IMAGE", "IMAGES"])
            self.assertEqual(measure.run(words[:1]).output, "first\n")


class Memory(unittest.TestCase):
    """A small program has a small peak, however large this process is."""

    def test_the_peak_is_the_programs_own(self):
        ballast = bytearray(b"x") * (64 << 20)
        self.assertLess(measure.run(["true"], peak=True).rss, len(ballast) // 4)

    def test_a_failure_is_a_sentence(self):
        with self.assertRaisesRegex(measure.BenchError, "ended with 3: no word"):
            measure.shell("exit 3")
        with self.assertRaisesRegex(measure.BenchError, "ended with"):
            measure.run(["false"], peak=True)


class Page(unittest.TestCase):
    """The page is made anew around what somebody wrote by hand."""

    def test_what_is_written_by_hand_stays(self):
        made = filled([("find", "pxfs", 0, 1.0), ("find", "squashfs", 0, 2.0)])
        with tempfile.TemporaryDirectory() as folder:
            docs, page = Path(folder), Path(folder, "benchmarks.md")
            report.write(made, docs)
            page.write_text(page.read_text() + "mine\n")
            report.write(made, docs)
            text = page.read_text()
        self.assertEqual(text.count(report.MARKER), 1)
        self.assertTrue(text.endswith("mine\n"))
        self.assertIn("| cold find, kernel squashfs | 0.60 | 0.50 (0.50 .. 0.50) | yes |", text)


if __name__ == "__main__":
    unittest.main()
