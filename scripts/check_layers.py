#!/usr/bin/env python3
"""check_layers.py [ROOT]: checks that includes point one way.

The folders of include/peerfold/ are layers, listed in LAYERS from the lowest up. A header includes
only its own layer and those before it; the entry points beside the folders include anything but
adapter/, and only adapter/ includes them. Prints a line for each violation and exits with 1 if there are any.
"""

import pathlib
import re
import sys

LAYERS = [
    "core",
    "arch",
    "memory",
    "sync",
    "transport",
    "algorithm",
    "topology",
    "policy",
    "execution",
    "team",
    "adapter",
]
ENTRY_POINTS = ""  # the layer of the headers that stand beside the folders

# A layer that may include less than its place in the list allows.
ONLY = {"topology": {"core", "topology"}}
# Layers whose headers see nothing of CUDA.
WITHOUT_CUDA = {"topology"}
# Where a portable header may bring in its CUDA half, under #if defined(__CUDACC__).
CUH_FROM_HPP = {"execution", "team", ENTRY_POINTS}

MAX_LINES = 500

STANDARD = set(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv
    chrono cinttypes climits clocale cmath codecvt compare complex concepts condition_variable
    coroutine csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar
    cwctype deque exception execution filesystem format forward_list fstream functional future
    initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map
    memory memory_resource mutex new numbers numeric optional ostream queue random ranges ratio
    regex scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept
    stop_token streambuf string string_view syncstream system_error thread tuple type_traits
    typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
    """.split()
)
# The C library of the systems that peerfold runs on.
POSIX = re.compile(r"(dlfcn|errno|fcntl|poll|pthread|sched|signal|unistd|sys/\w+|linux/\w+)\.h")
CUDA = re.compile(
    r"(cuda|cub|thrust|nv|cooperative_groups|nvtx3)/.+"
    r"|(cuda\w*|cooperative_groups|driver_types|vector_types|vector_functions|library_types"
    r"|device_launch_parameters|nvml|nvrtc)\.hp?p?"
)

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)")


def includes(path):
    """Yields (line number, name, quoted, conditions) of each include of a file."""
    conditions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if condition := CONDITION.match(line):
            word, rest = condition.groups()
            if word in ("if", "ifdef", "ifndef"):
                conditions.append(rest)
            elif word == "endif":
                conditions.pop()
            else:
                conditions[-1] = rest
        elif include := INCLUDE.match(line):
            yield number, include[2], include[1] == '"', list(conditions)


def own_header(include_folder, path, name, quoted):
    """The path under peerfold/ of an include of ours, or None."""
    if name.startswith("peerfold/"):
        return pathlib.PurePosixPath(name).relative_to("peerfold")
    if quoted:
        target = (path.parent / name).resolve()
        if target.is_relative_to(include_folder / "peerfold"):
            return pathlib.PurePosixPath(target.relative_to(include_folder / "peerfold"))
    return None


def layer_of(relative):
    return relative.parts[0] if len(relative.parts) > 1 else ENTRY_POINTS


def allowed_layers(layer):
    if layer == ENTRY_POINTS:
        return set(LAYERS) - {"adapter"} | {ENTRY_POINTS}
    if layer == "adapter":
        return set(LAYERS) | {ENTRY_POINTS}
    if layer in ONLY:
        return ONLY[layer]
    return set(LAYERS[: LAYERS.index(layer) + 1])


def check_include(layer, path, name, own, conditions):
    """The reason why a header of a layer must not include this, or None."""
    if own is None:
        if layer == "adapter" or name in STANDARD or POSIX.fullmatch(name):
            return None
        if not CUDA.fullmatch(name):
            return f"{name} is neither the standard library's, the CUDA toolkit's nor peerfold's"
        if layer in WITHOUT_CUDA:
            return f"{name}: {layer}/ is free of CUDA headers"
        return None
    target = layer_of(own)
    if target not in allowed_layers(layer):
        return f"{layer or 'an entry point'} must not include {target or 'an entry point'}: {name}"
    if path.suffix == ".hpp" and own.suffix == ".cuh":
        if layer not in CUH_FROM_HPP:
            return f"a .hpp of {layer}/ must not include a .cuh: {name}"
        if not any("__CUDACC__" in condition for condition in conditions):
            return f"a .hpp includes a .cuh only under #if defined(__CUDACC__): {name}"
    return None


def check_header(include_folder, path):
    relative = pathlib.PurePosixPath(path.relative_to(include_folder / "peerfold"))
    layer = layer_of(relative)
    if path.suffix not in (".hpp", ".cuh"):
        yield 1, "a header ends in .hpp or .cuh"
    if layer != ENTRY_POINTS and layer not in LAYERS:
        yield 1, f"{layer}/ is no layer; there are {', '.join(LAYERS)}"
        return
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MAX_LINES:
        yield lines, f"{lines} lines; a header has {MAX_LINES} at most"
    for number, name, quoted, conditions in includes(path):
        own = own_header(include_folder, path, name, quoted)
        if reason := check_include(layer, path, name, own, conditions):
            yield number, reason


def check_oracle(include_folder, oracle):
    """The oracle must not lean, however indirectly, on what it is there to check."""
    seen = set()
    stack = [(oracle, None)]
    while stack:
        path, first_line = stack.pop()
        for number, name, quoted, _ in includes(path):
            own = own_header(include_folder, path, name, quoted)
            if own is None or own in seen:
                continue
            seen.add(own)
            line = first_line or number
            if layer_of(own) == "algorithm" or own.match("core/reduction_op.hpp"):
                yield line, f"the oracle must not bring in peerfold/{own}"
            elif (target := include_folder / "peerfold" / own).exists():
                stack.append((target, line))


def check(root):
    """All violations of a source tree, as lines of text."""
    include_folder = (root / "include").resolve()
    found = []
    for path in sorted((include_folder / "peerfold").rglob("*")):
        if path.is_file():
            name = path.relative_to(root.resolve())
            found += [f"{name}:{line}: {why}" for line, why in check_header(include_folder, path)]
    oracle = root / "tests/support/oracle.hpp"
    if oracle.exists():
        name = oracle.relative_to(root)
        found += [f"{name}:{line}: {why}" for line, why in check_oracle(include_folder, oracle)]
    return found


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    found = check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
