#!/usr/bin/env python3
"""readme.py README OUT COMMAND...: compiles the first C++ block of a README, by COMMAND OUT."""

import pathlib
import re
import subprocess
import sys

readme, out, *command = sys.argv[1:]
blocks = re.findall(r"^```cpp\n(.*?)^```", pathlib.Path(readme).read_text(encoding="utf-8"), re.M | re.S)
if not blocks:
    sys.exit(f"{readme}: no C++ block")
pathlib.Path(out).write_text(blocks[0], encoding="utf-8")
sys.exit(subprocess.run([*command, out], check=False).returncode)
