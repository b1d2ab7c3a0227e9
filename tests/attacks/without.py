"""Runs a command where the kernel refuses what it is told to, as a container's own filter does: a real machine without
namespaces, or without Landlock. argv: comma-separated refusals (namespaces, landlock), then the command."""

import ctypes
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sandbox import lockdown
from sandbox.lockdown import ALLOW, ANY_BIT, ENOSYS, EPERM, EQUAL, FAIL, LOAD, MACHINE, RETURN

REFUSALS = {"namespaces": ("unshare", "setns", "mount", "open_tree", "fsopen", "move_mount", "pivot_root")}
LANDLOCK = (444, 444)


def steps(refusals: list[str]) -> list[lockdown.Step]:
    made: list[lockdown.Step] = [(LOAD, 0, 0, 0)]
    for name in (name for refusal in refusals for name in REFUSALS.get(refusal, ())):
        made += [(EQUAL, 0, 1, lockdown.DENIED[name][MACHINE] or 0), (RETURN, 0, 0, FAIL | EPERM)]
    if "landlock" in refusals:
        made += [(EQUAL, 0, 1, LANDLOCK[MACHINE]), (RETURN, 0, 0, FAIL | ENOSYS)]
    made += [(EQUAL, 0, 1, lockdown.CLONE3[MACHINE]), (RETURN, 0, 0, FAIL | ENOSYS)]
    made += [(EQUAL, 0, 4, lockdown.CLONE[MACHINE]), (LOAD, 0, 0, 16), (ANY_BIT, 0, 1, lockdown.NAMESPACE_FLAGS),
             (RETURN, 0, 0, FAIL | EPERM), (RETURN, 0, 0, ALLOW)]
    return [*made, (RETURN, 0, 0, ALLOW)]


if __name__ == "__main__":
    program = b"".join(struct.pack("HBBI", *step) for step in steps(sys.argv[1].split(",")))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    lockdown.prctl(lockdown.PR_SET_NO_NEW_PRIVS, 1)
    lockdown.system((317, 277)[MACHINE], 1, 0, ctypes.create_string_buffer(header, len(header)))
    os.execvp(sys.argv[2], sys.argv[2:])
