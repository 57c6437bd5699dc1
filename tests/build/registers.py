#!/usr/bin/env python3
"""registers.py BYTES COMMAND...: fails where ptxas spills more than BYTES of a lane's registers in a
kernel of what COMMAND compiles, or where there is no kernel."""

import re
import subprocess
import sys

most = int(sys.argv[1])
command = [*sys.argv[2:], "-Xptxas", "-v"]
done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
if done.returncode != 0:
    sys.exit(done.stdout)
kernel = ""
kernels = 0
spills = []
for line in done.stdout.split("\n"):
    if found := re.search(r"Compiling entry function '(\w*collective_kernel\w*)'", line):
        kernel = found.group(1)
    elif kernel and (found := re.search(r"(\d+) bytes spill stores", line)):
        kernels += 1
        if int(found.group(1)) > most:
            spills.append(f"{found.group(1)} bytes: {kernel}")
        kernel = ""
print(f"{kernels} kernels")
if kernels == 0 or spills:
    sys.exit("\n".join(spills) or "ptxas says nothing of kernels")
