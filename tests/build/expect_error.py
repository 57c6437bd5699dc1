#!/usr/bin/env python3
"""expect_error.py FILE COMPILER ARGUMENT...

Passes if the compiler rejects FILE with the message that its line "// expect: <regular expression>"
gives, and accepts it once PEERFOLD_FIXED is defined: so that it is rejected for the right reason.
"""

import re
import subprocess
import sys


def compile_file(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def main():
    path, command = sys.argv[1], sys.argv[2:]
    with open(path, encoding="utf-8") as source:
        expected = re.findall(r"^// expect: (.*)$", source.read(), re.MULTILINE)
    if len(expected) != 1:
        sys.exit(f"{path}: wants one line '// expect: <regular expression>', has {len(expected)}")

    status, output = compile_file(command + [path])
    if status == 0:
        sys.exit(f"{path}: compiles, and must not")
    if not re.search(expected[0], output):
        sys.exit(f"{output}\n{path}: rejected, but without a message like '{expected[0]}'")

    status, output = compile_file(command + ["-DPEERFOLD_FIXED", path])
    if status != 0:
        sys.exit(f"{output}\n{path}: rejected even with PEERFOLD_FIXED, so for another reason")


if __name__ == "__main__":
    main()
