#!/usr/bin/env python3
"""Turns a result of peerfold-bench into the tables and the plot of docs/performance.md.

    benchmarks/plot.py benchmarks/results/RUN.json --document docs/performance.md \\
        --plot docs/performance.svg --overview docs/collectives.svg

Between the lines `<!-- results: begin -->` and `<!-- results: end -->` the document is replaced by
the tables; without --document they are printed. The plot is of all-reduce, or of the result's first
collective; the overview has a panel for each. Both need matplotlib (Debian: python3-matplotlib),
the tables need nothing.
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


class Collective:
    """The out-of-place figures of a collective, by implementation and size."""

    def __init__(self, name, entries):
        self.name = name
        self.series = {}
        for entry in entries:
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

    def fastest(self, library):
        """Of each size, the faster memory kind of the library's series in compared()."""
        best = {}
        for label, figures in self.compared():
            if not label.startswith(library):
                continue
            for size, entry in figures.items():
                if size not in best or entry["time_us"] < best[size]["time_us"]:
                    best[size] = entry
        return best

    def floors(self):
        entries = [entry for figures in self.series.values() for entry in figures.values()]
        return {e["bytes"]: e["floor_us"] for e in entries if e["floor_us"] is not None}


class Result:
    """A result file: its collectives in the order in which they were measured."""

    def __init__(self, path):
        self.data = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if self.data.get("schema") != "peerfold-bench/1":
            raise ValueError(f"{path}: no result of peerfold-bench")
        entries = {}
        for entry in self.data["results"]:
            if not entry["in_place"]:
                entries.setdefault(entry["collective"], []).append(entry)
        self.collectives = {name: Collective(name, found) for name, found in entries.items()}

    def leading(self):
        """What is shown in full: all-reduce where it was measured."""
        first = next(iter(self.collectives.values()), None)
        return self.collectives.get("all_reduce", first)


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
        f"{', '.join(result.collectives)}, {run['ranks']} ranks "
        f"{'(counted at run time) ' if run.get('run_time_ranks') else ''}on devices "
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
        ("SM stores to the peer, one GPU alone", rate("stores_alone")),
        ("SM loads from the peer, likewise", rate("loads")),
        ("copy engine, likewise", rate("copy_engine")),
        ("local copy, bytes moved once", rate("local_copy")),
    ]
    lines = ["| limit | measured |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in rows if value is not None]
    return "\n".join(lines)


def comparison_table(of):
    compared, floors = of.compared(), of.floors()
    head = ["size", "floor, µs"] + [f"{label}, µs" for label, _ in compared]
    head += ["busbw, GB/s", "× floor", "grid"]
    rows = []
    for size in of.sizes:
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


def summary_table(of):
    """One collective beside NCCL: peerfold in the memory in which it is the faster."""
    best, rival, floors = of.fastest("peerfold"), of.fastest("NCCL"), of.floors()
    rivals = [(label, figures) for label, figures in of.compared() if label.startswith("NCCL")]
    head = ["size", "floor, µs", "peerfold, µs"] + [f"{label}, µs" for label, _ in rivals]
    head += ["NCCL / peerfold"] if rivals else []
    head += ["busbw, GB/s", "× floor"]
    rows = []
    for size in of.sizes:
        entry, floor = best.get(size), floors.get(size)
        time = entry["time_us"] if entry else None
        row = [size_text(size), number(floor, 2), time_text(time) if entry else "–"]
        row += [time_text(f[size]["time_us"]) if size in f else "–" for _, f in rivals]
        if rivals:
            row.append(f"{rival[size]['time_us'] / time:.2f}" if entry and size in rival else "–")
        row.append(number(entry["busbw_gbps"] if entry and size else None))
        row.append(number(time / floor if entry and floor else None, 2))
        rows.append(row)
    return table(head, rows)


def policy_table(of, memory):
    keys = [k for k in of.series if k[0] in ("peerfold", "hand") and k[2] == memory]
    if len(keys) < 2:
        return ""
    head = ["size"] + [(k[1] if k[0] == "peerfold" else f"{k[1]} by hand") for k in keys]
    rows = []
    for size in of.sizes:
        figures = [of.series[key].get(size) for key in keys]
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
    made = pairs[0].get("made", 1)
    times = f", each made {made} times" if made > 1 else ""
    title = f"The generic template against a hand-specialised kernel, replayed in turn{times}:\n\n"
    return title + table(head, rows)


def markdown(result):
    leading = result.leading()
    parts = [machine_lines(result), limit_table(result)]
    if leading:
        parts += [
            comparison_table(leading),
            policy_table(leading, "symmetric"),
            policy_table(leading, "ordinary"),
        ]
    parts.append(hand_table(result))
    others = [each for each in result.collectives.values() if each is not leading]
    if others:
        parts.append(
            "The other collectives, peerfold in symmetric or ordinary memory, whichever is faster; "
            "the ratio is of the faster NCCL:"
        )
    for each in others:
        parts += [f"`{each.name}`:", summary_table(each)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_document(path, text):
    path = pathlib.Path(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(BEGIN) > lines.index(END):
        raise ValueError(f"{path}: needs one line {BEGIN} and after it one line {END}")
    kept = lines[: lines.index(BEGIN) + 1], lines[lines.index(END) :]
    path.write_text("\n".join([*kept[0], "", *text.split("\n"), *kept[1]]), encoding="utf-8")


COLOURS = {  # told apart by the colour-blind too
    "peerfold, symmetric": "#0072b2",
    "peerfold, ordinary": "#56b4e9",
    "NCCL": "#d55e00",
    "NCCL, symmetric windows": "#e69f00",
}


def colour_of(label):
    return COLOURS[label if label.startswith("NCCL") else "peerfold, " + label.split(", ")[-1]]


def pyplot_module():
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "peerfold"  # the same bytes for the same result
    from matplotlib import pyplot

    return pyplot


def save(figure, path):
    figure.savefig(path, dpi=150, metadata={"Date": None} if str(path).endswith(".svg") else None)


def draw(result, path):
    of = result.leading()
    ranks = result.data["configuration"]["ranks"]
    pyplot = pyplot_module()
    figure, (times, buses) = pyplot.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for label, figures in of.compared():
        sizes = sorted(figures)
        style = {"label": label, "color": colour_of(label), "marker": "o", "markersize": 3.5}
        times.plot(sizes, [figures[s]["time_us"] for s in sizes], **style)
        buses.plot(sizes, [figures[s]["busbw_gbps"] for s in sizes], **style)
    floors = of.floors()
    sizes = sorted(floors)
    if sizes:
        style = {"label": "floor of this machine", "color": "black", "linestyle": "--"}
        times.plot(sizes, [floors[s] for s in sizes], **style)
        some = next(iter(of.compared()[0][1].values()))
        factor = some["busbw_gbps"] / some["algbw_gbps"] if some["algbw_gbps"] else 0
        buses.plot(sizes, [factor * s / floors[s] * 1e-3 for s in sizes], **style)
    for axes, title, unit in ((times, "time", "µs"), (buses, "bus bandwidth", "GB/s")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(of.sizes, [size_text(s) for s in of.sizes], rotation=45)
        axes.set_xticks([], minor=True)
        axes.set_title(title)
        axes.set_ylabel(unit)
        axes.grid(True, alpha=0.3)
    times.set_yscale("log")
    times.legend()
    buses.set_ylim(bottom=0)
    run = result.data["configuration"]
    figure.suptitle(f"{of.name}, {ranks} ranks, {run['type']} {run['op']}")
    save(figure, path)


def draw_overview(result, path):
    """A panel for each collective: time over size."""
    panels = [each for each in result.collectives.values() if len(each.sizes) > 1]
    if not panels:
        raise ValueError("--overview: no collective has several sizes")
    pyplot = pyplot_module()
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(3.6 * columns, 2.5 * rows + 0.7), layout="constrained",
        sharex=True, sharey=True, squeeze=False,
    )
    handles = {}
    for axes, each in zip(grid.flat, panels):
        for label, figures in each.compared():
            sizes = sorted(figures)
            style = {"color": colour_of(label), "marker": "o", "markersize": 2.5}
            (line,) = axes.plot(sizes, [figures[s]["time_us"] for s in sizes], **style)
            handles.setdefault(label, line)
        floors = each.floors()
        if floors:
            sizes = sorted(floors)
            style = {"color": "black", "linestyle": "--", "linewidth": 1}
            (line,) = axes.plot(sizes, [floors[s] for s in sizes], **style)
            handles.setdefault("floor of this machine", line)
        axes.set_title(each.name, fontsize=10)
        axes.grid(True, alpha=0.3)
    first = grid.flat[0]
    first.set_xscale("log", base=2)
    first.set_yscale("log")
    every = sorted({size for each in panels for size in each.sizes})
    ticks = every[:: -(-len(every) // 5)]
    first.set_xticks(ticks, [size_text(size) for size in ticks])
    first.set_xticks([], minor=True)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for column in range(columns):  # the lowest panel that is there carries the sizes
        lowest = [row for row in range(rows) if row * columns + column < len(panels)][-1]
        grid[lowest][column].tick_params(axis="x", labelbottom=True, labelsize=8, rotation=30)
    for row in grid:
        row[0].set_ylabel("µs")
    run = result.data["configuration"]
    # Room for the legend above the panels; matplotlib 3.6 does not make it itself.
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.7 / figure.get_figheight()))
    figure.legend(handles.values(), handles.keys(), loc="upper center", ncols=3, fontsize=9,
                  title=f"time of a call, {run['ranks']} ranks, {run['type']} {run['op']}")
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("result", help="JSON written by peerfold-bench --json")
    parser.add_argument("--document", help="Markdown file whose marked part is replaced")
    parser.add_argument("--plot", help="picture of one collective to write: .svg or .png")
    parser.add_argument("--overview", help="picture of all collectives to write, likewise")
    arguments = parser.parse_args()
    try:
        result = Result(arguments.result)
        if arguments.document:
            write_document(arguments.document, markdown(result))
        else:
            print(markdown(result), end="")
        if arguments.plot:
            draw(result, arguments.plot)
        if arguments.overview:
            draw_overview(result, arguments.overview)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"plot.py: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
