#!/usr/bin/env python3
"""Turns a result of peerfold-bench into the tables and the plot of docs/performance.md.

    benchmarks/plot.py benchmarks/results/RUN.json --document docs/performance.md \\
        --plot docs/performance.svg

Between the lines `<!-- results: begin -->` and `<!-- results: end -->` the document is replaced by
the tables; without --document they are printed. The plot needs matplotlib (Debian:
python3-matplotlib), the tables need nothing.
"""

import argparse
import json
import pathlib
import sys

BEGIN = "<!-- results: begin -->"
END = "<!-- results: end -->"


def size_text(size):
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            break
        size /= 1024
    else:
        unit = "GiB"
    return f"{size:g} {unit}"


def time_text(us):
    return f"{us:.2f}" if us < 100 else f"{us:.1f}" if us < 1000 else f"{us:.0f}"


def number(value, digits=1):
    return "–" if value is None else f"{value:.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " ---: |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


class Result:
    """A result file: the out-of-place figures by implementation and size."""

    def __init__(self, path):
        self.data = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if self.data.get("schema") != "peerfold-bench/1":
            raise ValueError(f"{path}: no result of peerfold-bench")
        self.series = {}
        for entry in self.data["results"]:
            if not entry["in_place"]:
                key = (entry["implementation"], entry["policy"], entry["memory"])
                self.series.setdefault(key, {})[entry["bytes"]] = entry
        self.sizes = sorted({size for figures in self.series.values() for size in figures})

    def compared(self):
        """(label, figures by size) of what stands side by side: the library's own choice, NCCL."""
        policies = [policy for library, policy, _ in self.series if library == "peerfold"]
        policy = "automatic" if "automatic" in policies else next(iter(policies), None)
        name = "peerfold" if policy == "automatic" else f"peerfold {policy}"
        wanted = [
            (f"{name}, symmetric", ("peerfold", policy, "symmetric")),
            (f"{name}, ordinary", ("peerfold", policy, "ordinary")),
            ("NCCL", ("nccl", None, "ordinary")),
            ("NCCL, symmetric windows", ("nccl", None, "symmetric")),
        ]
        return [(label, self.series[key]) for label, key in wanted if key in self.series]

    def floors(self):
        entries = [entry for figures in self.series.values() for entry in figures.values()]
        return {e["bytes"]: e["floor_us"] for e in entries if e["floor_us"] is not None}


def machine_lines(result):
    data = result.data
    machine, run = data["machine"], data["configuration"]
    names = {}
    for device in run["devices"]:
        gpu = next(g for g in machine["gpus"] if g["index"] == device)
        names.setdefault(gpu["name"], set()).add(device)
    gpus = ", ".join(f"{len(devices)} × {name}" for name, devices in names.items())
    wrong = sum(entry["wrong"] for entry in data["results"])
    lines = [
        f"{gpus}, {machine['link']}; driver {machine['driver']}, CUDA {machine['cuda_runtime']}, "
        f"NCCL {machine['nccl']}; peerfold {data['commit']}, {data['date'][:10]}.",
        f"{run['collective']}, {run['ranks']} ranks on devices "
        f"{','.join(map(str, run['devices']))}, {run['type']} {run['op']}, out of place; the median "
        f"of {run['replays']} {'graph replays' if run['timing'] == 'graph' else 'batches'} of the "
        f"mean over the ranks. Wrong elements: {wrong}.",
    ]
    if not data["complete"]:
        lines.append("**The run broke off; what follows is a part.**")
    return "\n".join(lines)


def limit_table(result):
    limits = result.data["limits"]
    if limits is None:
        return ""

    def rate(key):
        if key not in limits:
            return None
        blocks = limits[key].get("blocks")
        return f"{limits[key]['gbps']:.0f} GB/s" + (f" ({blocks} blocks)" if blocks else "")

    def time(key):
        return f"{limits[key]:.2f} µs" if key in limits else None

    rows = [
        ("launch gap in a graph", time("launch_us")),
        ("the same, cooperative", time("cooperative_launch_us")),
        ("flag, one way, relaxed", time("flag_relaxed_us")),
        ("flag, one way, release/acquire", time("flag_release_acquire_us")),
        ("SM stores to the peer, each direction, both at once", rate("stores")),
        ("SM loads from the peer, likewise", rate("loads")),
        ("copy engine, likewise", rate("copy_engine")),
        ("local copy, bytes moved once", rate("local_copy")),
    ]
    lines = ["| limit | measured |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in rows if value is not None]
    return "\n".join(lines)


def comparison_table(result):
    compared, floors = result.compared(), result.floors()
    head = ["size", "floor, µs"] + [f"{label}, µs" for label, _ in compared]
    head += ["busbw, GB/s", "× floor", "grid"]
    rows = []
    for size in result.sizes:
        row = [size_text(size), number(floors.get(size), 2)]
        row += [time_text(f[size]["time_us"]) if size in f else "–" for _, f in compared]
        best = compared[0][1].get(size) if compared else None
        if best is None:
            row += ["–"] * 3
        else:
            floor = best["floor_us"]
            grid = best.get("grid")
            row.append(number(best["busbw_gbps"]))
            row.append(number(best["time_us"] / floor if floor else None, 2))
            row.append(f"{grid['blocks']} × {grid['threads']}" if grid else "–")
        rows.append(row)
    first = compared[0][0] if compared else "peerfold"
    return table(head, rows) + f"\n\nThe last three columns are of {first}."


def policy_table(result, memory):
    keys = [k for k in result.series if k[0] in ("peerfold", "hand") and k[2] == memory]
    if len(keys) < 2:
        return ""
    head = ["size"] + [(k[1] if k[0] == "peerfold" else f"{k[1]} by hand") for k in keys]
    rows = []
    for size in result.sizes:
        figures = [result.series[key].get(size) for key in keys]
        rows.append([size_text(size)] + [time_text(f["time_us"]) if f else "–" for f in figures])
    return f"By policy, {memory} memory, µs:\n\n" + table(head, rows)


def hand_table(result):
    pairs = result.data["comparisons"]
    if not pairs:
        return ""
    head = ["policy", "size", "template, µs", "by hand, µs", "ratio"]
    rows = [
        [p["policy"], size_text(p["bytes"]), time_text(p["generic_us"]), time_text(p["hand_us"]),
         f"{p['ratio']:.3f}"]
        for p in pairs
    ]
    title = "The generic template against a hand-specialised kernel, replayed in turn:\n\n"
    return title + table(head, rows)


def markdown(result):
    parts = [
        machine_lines(result),
        limit_table(result),
        comparison_table(result),
        policy_table(result, "symmetric"),
        policy_table(result, "ordinary"),
        hand_table(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_document(path, text):
    path = pathlib.Path(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(BEGIN) > lines.index(END):
        raise ValueError(f"{path}: needs one line {BEGIN} and after it one line {END}")
    kept = lines[: lines.index(BEGIN) + 1], lines[lines.index(END) :]
    path.write_text("\n".join([*kept[0], "", *text.split("\n"), *kept[1]]), encoding="utf-8")


def draw(result, path):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "peerfold"  # the same bytes for the same result
    from matplotlib import pyplot

    colours = ["#0072b2", "#56b4e9", "#d55e00", "#e69f00"]  # told apart by the colour-blind too
    ranks = result.data["configuration"]["ranks"]
    figure, (times, buses) = pyplot.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for (label, figures), colour in zip(result.compared(), colours):
        sizes = sorted(figures)
        style = {"label": label, "color": colour, "marker": "o", "markersize": 3.5}
        times.plot(sizes, [figures[s]["time_us"] for s in sizes], **style)
        buses.plot(sizes, [figures[s]["busbw_gbps"] for s in sizes], **style)
    floors = result.floors()
    sizes = sorted(floors)
    if sizes:
        style = {"label": "floor of this machine", "color": "black", "linestyle": "--"}
        times.plot(sizes, [floors[s] for s in sizes], **style)
        factor = 2 * (ranks - 1) / ranks
        buses.plot(sizes, [factor * s / floors[s] * 1e-3 for s in sizes], **style)
    for axes, title, unit in ((times, "time", "µs"), (buses, "bus bandwidth", "GB/s")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(result.sizes, [size_text(s) for s in result.sizes], rotation=45)
        axes.set_xticks([], minor=True)
        axes.set_title(title)
        axes.set_ylabel(unit)
        axes.grid(True, alpha=0.3)
    times.set_yscale("log")
    times.legend()
    buses.set_ylim(bottom=0)
    run = result.data["configuration"]
    figure.suptitle(f"{run['collective']}, {ranks} ranks, {run['type']} {run['op']}")
    figure.savefig(path, dpi=150, metadata={"Date": None} if str(path).endswith(".svg") else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("result", help="JSON written by peerfold-bench --json")
    parser.add_argument("--document", help="Markdown file whose marked part is replaced")
    parser.add_argument("--plot", help="picture to write: .svg or .png")
    arguments = parser.parse_args()
    try:
        result = Result(arguments.result)
        if arguments.document:
            write_document(arguments.document, markdown(result))
        else:
            print(markdown(result), end="")
        if arguments.plot:
            draw(result, arguments.plot)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"plot.py: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
