#!/usr/bin/env python3
"""Tests of verdict.py, on a run that is kept and on what it would be if something were missed, and of
run_node.sh, with programs that only say what they were called with."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent.parent
RUN = FOLDER / "results" / "2026-11-27-2xH100.json"


class Verdict(unittest.TestCase):
    def judge(self, change):
        run = json.loads(RUN.read_text(encoding="utf-8"))
        change(run)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "run.json"
            path.write_text(json.dumps(run), encoding="utf-8")
            command = [sys.executable, FOLDER / "verdict.py", path]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip().split("\n")[-1]

    def each(self, implementation, size, factor):
        def change(run):
            for entry in run["results"]:
                if entry["implementation"] == implementation and entry["bytes"] == size:
                    entry["time_us"] *= factor
                    entry["busbw_gbps"] /= factor

        return change

    def test_nothing_is_missed(self):
        self.assertEqual(self.judge(lambda run: None), (0, "nothing is missed"))

    def test_nccl_is_faster(self):
        self.assertEqual(self.judge(self.each("nccl", 65536, 0.3)), (1, "missed: all_reduce, 64 KiB"))

    def test_nccl_is_as_fast_as_runs_differ(self):
        run = json.loads(RUN.read_text(encoding="utf-8"))
        at_size = [e for e in run["results"] if e["bytes"] == 65536 and not e["in_place"]]
        ours = min(e["time_us"] for e in at_size if e["policy"] == "automatic")
        theirs = min(e["time_us"] for e in at_size if e["implementation"] == "nccl")
        status, _ = self.judge(self.each("nccl", 65536, 0.995 * ours / theirs))
        self.assertEqual(status, 0)

    def test_latency(self):
        self.assertEqual(self.judge(self.each("peerfold", 1024, 1.2)), (1, "missed: all_reduce, 1 KiB"))

    def test_bandwidth(self):
        size = 256 * 1024 * 1024
        status, last = self.judge(self.each("peerfold", size, 1.1))
        self.assertEqual((status, last), (1, "missed: all_reduce, 256 MiB"))

    def test_wrong_elements(self):
        def change(run):
            run["results"][0]["wrong"] = 3

        self.assertEqual(self.judge(change), (1, "missed: 3 wrong elements"))

    def test_ranks_that_share_a_gpu_have_no_targets(self):
        def change(run):
            self.each("peerfold", 1024, 1.2)(run)
            for place in [run["configuration"], *run["results"]]:
                place["devices"] = [0, 0]

        self.assertEqual(self.judge(change), (0, "nothing is missed"))

    def test_joined_runs(self):
        def change(run):
            run["results"][-1]["ranks"] = 4

        self.assertEqual(self.judge(change)[0], 1)

    def test_a_run_that_cannot_be_read_hides_no_other(self):
        command = [sys.executable, FOLDER / "verdict.py", "/nonexistent.json", RUN]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent.json", done.stderr)
        self.assertIn("nothing is missed", done.stdout)

    def test_broke_off(self):
        def change(run):
            run["complete"] = False

        self.assertEqual(self.judge(change), (1, "missed: the run broke off"))


PROGRAMS = ("peerfold-bench", "peerfold-topo", "all_reduce.contract.gpu", "collectives.contract.gpu")
LIST = """if [ "$1" = --list ]; then
  for i in 0 1 2 3; do echo "  $i  NVIDIA H100 80GB HBM3 [$i], 132 multiprocessors"; done
  exit
fi
"""


class RunNode(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.build = pathlib.Path(self.folder.name) / "build"
        self.results = pathlib.Path(self.folder.name) / "results"
        self.build.mkdir()
        for name in PROGRAMS:
            self.program(name, (LIST if name == "peerfold-bench" else "") + 'echo "$PEERFOLD_REQUIRED_GPUS" "$CUDA_VISIBLE_DEVICES" "$@"\n')

    def program(self, name, text):
        path = self.build / name
        path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        path.chmod(0o755)

    def run_node(self, **environment):
        command = [FOLDER / "run_node.sh", self.build, self.results]
        kept = {k: v for k, v in os.environ.items() if k != "PEERFOLD_NODE_GPUS"}
        return subprocess.run(command, capture_output=True, text=True, check=False,
                              env={**kept, **environment})

    def test_steps(self):
        self.results.mkdir()
        kept = self.results / "2026-01-01-3xH100-float.json"
        kept.write_text("of another day", encoding="utf-8")
        done = self.run_node(PEERFOLD_NODE_GPUS="3", CUDA_VISIBLE_DEVICES="7,5,3,1")
        self.assertTrue(kept.exists())
        words = {line.split()[0]: line for line in done.stdout.split("\n")[1:] if line}
        for step in ("show", "all_reduce", "collectives", "float", "bfloat16", "predicted", "measure"):
            self.assertTrue(words[step].endswith("ok"), words[step])
        said = (self.results / "bfloat16.txt").read_text(encoding="utf-8")
        self.assertTrue(said.startswith("3 7,5,3 --ranks 3 --collective all"), said)
        self.assertIn("--type bfloat16", said)
        self.assertIn("3xH100-bfloat16.json", said)
        # What says nothing in JSON has no verdict.
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed with 1", words["verdict"])

    def test_a_step_that_fails_stops_no_other(self):
        self.program("all_reduce.contract.gpu", "echo no >&2; exit 42\n")
        done = self.run_node()
        self.assertIn("failed with 42", done.stdout)
        self.assertIn("bfloat16", done.stdout)
        self.assertEqual((self.results / "all_reduce.err").read_text(encoding="utf-8"), "no\n")
        self.assertEqual(done.returncode, 1)

    def test_a_program_is_not_there(self):
        (self.build / "peerfold-topo").unlink()
        done = self.run_node()
        self.assertEqual(done.returncode, 2)
        self.assertIn("no program peerfold-topo", done.stderr)

    def test_more_gpus_than_there_are(self):
        for asked in ("5", "0", "abc"):
            done = self.run_node(PEERFOLD_NODE_GPUS=asked)
            self.assertEqual(done.returncode, 2)
            self.assertIn("PEERFOLD_NODE_GPUS: " + asked, done.stderr)

    def test_no_gpu(self):
        self.program("peerfold-bench", "echo none\n")
        self.assertEqual(self.run_node().returncode, 77)


if __name__ == "__main__":
    unittest.main()
