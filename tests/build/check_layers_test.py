#!/usr/bin/env python3
"""check_layers_test.py CHECK_LAYERS: each rule of the layer check, broken once, is found."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

script = ""

ORACLE = "../../tests/support/oracle.hpp"

PASS = {
    "core/a.hpp": "#pragma once\n#include <vector>\n#include <cuda_fp16.h>\n",
    "arch/b.hpp": "#include <peerfold/core/a.hpp>\n#include <cuda/std/span>\n",
    "topology/c.hpp": "#include <peerfold/core/a.hpp>\n#include <dlfcn.h>\n",
    "execution/d.cuh": "#include <peerfold/arch/b.hpp>\n#include <cub/cub.cuh>\n",
    "execution/d.hpp": '#if defined(__CUDACC__)\n#include "d.cuh"\n#endif\n',
    "adapter/e.hpp": "#include <nccl.h>\n#include <peerfold/entry.hpp>\n",
    "algorithm/f.hpp": "#include <cstddef>\n",
    "team/g.hpp": "#include <peerfold/algorithm/f.hpp>\n",
    ORACLE: "#include <peerfold/core/a.hpp>\n",
    "entry.hpp": "#include <peerfold/execution/d.hpp>\n#include <peerfold/topology/c.hpp>\n",
}

# A file that breaks a rule, what it says, and what the check answers.
FAIL = [
    ("core/x.hpp", "#include <peerfold/arch/b.hpp>\n", "core must not include arch"),
    ("core/x.hpp", '#include "../arch/b.hpp"\n', "core must not include arch"),
    ("core/x.hpp", "#  include <peerfold/entry.hpp>\n", "core must not include an entry point"),
    ("team/x.hpp", "#include <peerfold/adapter/e.hpp>\n", "team must not include adapter"),
    ("x.hpp", "#include <peerfold/adapter/e.hpp>\n", "an entry point must not include adapter"),
    ("topology/x.hpp", "#include <peerfold/arch/b.hpp>\n", "topology must not include arch"),
    ("topology/x.hpp", "#include <cuda_runtime.h>\n", "free of CUDA headers"),
    ("core/x.h", "\n", "ends in .hpp or .cuh"),
    ("odds/x.hpp", "\n", "odds/ is no layer"),
    ("policy/x.hpp", "#include <peerfold/core/y.cuh>\n", "must not include a .cuh"),
    ("team/x.hpp", "#include <peerfold/execution/d.cuh>\n", "only under #if defined(__CUDACC__)"),
    ("core/x.hpp", "#include <boost/any.hpp>\n", "boost/any.hpp is neither"),
    ("core/x.hpp", "#include <nccl.h>\n", "nccl.h is neither"),
    ("core/x.hpp", "\n" * 501, "501 lines"),
    (ORACLE, "#include <peerfold/core/reduction_op.hpp>\n", "bring in peerfold/core/reduction_op"),
    (ORACLE, "#include <peerfold/algorithm/f.hpp>\n", "bring in peerfold/algorithm/f.hpp"),
    (ORACLE, "#include <peerfold/team/g.hpp>\n", "bring in peerfold/algorithm/f.hpp"),
]


def run_on(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, "include/peerfold", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run(
            [sys.executable, script, root], capture_output=True, text=True, check=False
        )


class CheckLayers(unittest.TestCase):
    def test_a_tidy_tree_passes(self):
        done = run_on(PASS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_each_violation_is_found(self):
        for name, text, answer in FAIL:
            with self.subTest(name=name, text=text[:60]):
                done = run_on(PASS | {name: text})
                self.assertEqual(done.returncode, 1)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(answer, done.stderr)


if __name__ == "__main__":
    script = sys.argv.pop(1)
    unittest.main()
