#!/usr/bin/env python3
"""verdict.py RUN.json...: what a run of peerfold-bench says of the targets.

For each run: the all-reduce of 1 KiB beside its target, the bus bandwidth from 256 MiB on beside what
stores reach on that machine, and every size of every collective at which the faster form of NCCL took
less time, by over 1 %, than peerfold by automatic in the faster memory. Exit status: 1 where a target was missed,
NCCL was faster, a result was wrong, the run broke off or a file holds no single run. Ranks that
share GPUs, and kernels that count their ranks at run time, have no targets of their own.
"""

import sys

from plot import Result, size_text

# µs of an all-reduce of 1 KiB, by ranks that have a GPU each.
LATENCY_TARGETS = {2: 2.3, 4: 2.5, 8: 3.6}
SHARE_OF_STORES = 0.95
AS_FAST = 1.01  # what runs differ by
KIB, MIB = 1024, 1024 * 1024


def has_targets(run):
    """Whether each rank has a GPU, and a kernel that was compiled for so many."""
    return len(set(run["devices"])) == run["ranks"] and not run.get("run_time_ranks")


def latency(result, of):
    run = result.data["configuration"]
    entry = of.fastest("peerfold").get(KIB)
    if entry is None:
        return []
    target = LATENCY_TARGETS.get(run["ranks"]) if has_targets(run) else None
    print(f"all_reduce, 1 KiB: {entry['time_us']:.2f} µs" + (f" (target {target})" if target else ""))
    return ["all_reduce, 1 KiB"] if target and entry["time_us"] > target else []


def bandwidth(result, of):
    stores = (result.data["limits"] or {}).get("stores", {}).get("gbps")
    missed = []
    for size, entry in sorted(of.fastest("peerfold").items()):
        if size < 256 * MIB or stores is None:
            continue
        share = entry["busbw_gbps"] / stores
        print(f"all_reduce, {size_text(size)}: {entry['busbw_gbps']:.0f} GB/s of bus bandwidth, "
              f"{100 * share:.1f} % of what stores reach ({stores:.0f})")
        if share < SHARE_OF_STORES and has_targets(result.data["configuration"]):
            missed.append(f"all_reduce, {size_text(size)}")
    return missed


def slower_than_nccl(of):
    ours, theirs = of.fastest("peerfold"), of.fastest("NCCL")
    slower = []
    ratios = []
    for size in sorted(set(ours) & set(theirs)):
        mine, nccl = ours[size]["time_us"], theirs[size]["time_us"]
        ratios.append(nccl / mine)
        if mine > AS_FAST * nccl:
            print(f"{of.name}, {size_text(size)}: NCCL {nccl:.2f} µs, peerfold {mine:.2f}")
            slower.append(f"{of.name}, {size_text(size)}")
    if ratios:
        print(f"{of.name}: NCCL takes {min(ratios):.2f} to {max(ratios):.2f} times as long, "
              f"at {len(ratios)} sizes")
    else:
        print(f"{of.name}: no NCCL beside it")
    return slower


def judge(path):
    result = Result(path)
    run = result.data["configuration"]
    entries = result.data["results"]
    if any(entry.get(key, run.get(key)) != run.get(key, "several")
           for entry in entries for key in ("ranks", "devices", "type")
           if entry["collective"] != "barrier"):
        raise ValueError("several runs in one file: judge them one by one")
    print(f"{path}: {run['ranks']} ranks on devices {','.join(map(str, run['devices']))}, "
          f"{run['type']}; beside NCCL {result.data['machine']['nccl']}")
    missed = [] if result.data["complete"] else ["the run broke off"]
    wrong = sum(entry["wrong"] for entry in entries)
    if wrong:
        missed.append(f"{wrong} wrong elements")
    if "all_reduce" in result.collectives:
        of = result.collectives["all_reduce"]
        missed += latency(result, of) + bandwidth(result, of)
    for of in result.collectives.values():
        missed += slower_than_nccl(of)
    print(f"missed: {'; '.join(missed)}" if missed else "nothing is missed")
    return not missed


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.split("\n", maxsplit=1)[0])
    good = True
    for path in sys.argv[1:]:
        try:
            good = judge(path) and good
        except (OSError, ValueError, KeyError) as error:
            print(f"verdict.py: {path}: {type(error).__name__}: {error}", file=sys.stderr)
            good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
