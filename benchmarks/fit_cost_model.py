#!/usr/bin/env python3
"""fit_cost_model.py PEERFOLD_TOPO NODE RUN.json...: constants of the cost model, from measurements.

Takes from `peerfold-topo compare --json` what the model counts for each call of the runs of
peerfold-bench on NODE (a preset, a file, or "here": this machine), and prints for each policy the
constants of include/peerfold/policy/cost_constants.hpp that make the relative errors least, in
squares, at every second size; they are never negative, and nothing moves faster than plain stores.
With the errors at those sizes and at the sizes between. round_bytes is searched for among powers of
two only by hand.

Needs SciPy (Debian: python3-scipy).
"""

import collections
import json
import os
import subprocess
import sys

import numpy
from scipy.optimize import nnls


def rows_of(program, node, runs):
    if node == "here":
        source = []
    else:
        source = ["--from" if os.path.exists(node) else "--preset", node]
    for run in runs:
        command = [program, "compare", run, "--json", *source]
        yield from json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def terms(row, crowding):
    crowded = 1 + crowding * (row["sharing"] - 1)
    return [
        1.0,
        row["further_steps"] * crowded,
        row["edge_us"] * crowded,
        row["further_rounds"],
    ]


def fit_others(rows, crowding):
    """The other constants, and what is left of the squares."""
    measured = numpy.array([row["measured_us"] for row in rows])
    counted = numpy.array([terms(row, crowding) for row in rows])
    wire = counted[:, 2]
    # Of wire what is beyond one is free.
    found, left = nnls(counted / measured[:, None], (measured - wire) / measured)
    found[2] += 1
    return found, left


def fit(rows):
    crowding = min(numpy.arange(0, 0.6, 0.01), key=lambda tried: fit_others(rows, tried)[1])
    return fit_others(rows, crowding)[0], crowding


def errors(rows, constants, crowding):
    return [
        abs(numpy.dot(terms(row, crowding), constants) / row["measured_us"] - 1) for row in rows
    ]


def percent(values):
    if not values:
        return "-"
    return f"{100 * numpy.median(values):.1f} (at most {100 * max(values):.1f})"


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__.splitlines()[0])
    groups = collections.defaultdict(list)
    for row in rows_of(sys.argv[1], sys.argv[2], sys.argv[3:]):
        groups[row["policy"], row["memory"]].append(row)
    between = []
    print("policy, memory: start_us, step_us, wire, round_us, crowding;", end=" ")
    print("errors in percent, fitted and between")
    for (policy, memory), rows in sorted(groups.items()):
        every_second = [row for row in rows if row["fitted"]]
        constants, crowding = fit(every_second)
        fitted = errors(every_second, constants, crowding)
        others = errors([row for row in rows if not row["fitted"]], constants, crowding)
        between += others
        numbers = ", ".join(f"{value:.3g}" for value in [*constants, crowding])
        print(f"{policy}, {memory}: {numbers}; {percent(fitted)}, {percent(others)}")
    print(f"all, sizes between: {percent(between)}")


if __name__ == "__main__":
    main()
