# SPDX-License-Identifier: ISC
"""The plan that tests/fault/fault.c reads: which call of which kind of process fails, and how. Same layout as struct fault_plan."""
import dataclasses
import errno
import mmap
import os
import struct

CALLS = ("write", "pwrite", "pwritev", "fdatasync", "fsync", "syncfs", "open", "rename", "link", "unlink", "mkdir", "fallocate",
         "ftruncate", "stat", "mmap", "malloc", "read", "pread", "recvmsg", "recv", "sendmsg", "send", "accept", "socket", "connect",
         "fork")
KINDS = ("master", "receiver", "queue", "sender", "deliver", "lookup", "console", "keys", "other")
SHORT = 0
ALL = (1 << 64) - 1
_HEAD = struct.Struct("=IIIiQQQQQ")
_SIZE = _HEAD.size + 8 * len(CALLS) * len(KINDS)


def error_name(number):
    return "short" if number == SHORT else errno.errorcode[number]


@dataclasses.dataclass(frozen=True)
class Point:
    kind: str
    call: str
    error: int
    nth: int
    lasting: bool = False     # from the nth on, every one
    phase: str = "serve"      # or "start", "stop": what the server is doing

    def __str__(self):
        every = " and all after" if self.lasting else ""
        return f"{self.phase}: {self.call} number {self.nth}{every} in {self.kind} gives {error_name(self.error)}"


class Plan:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(_SIZE))
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), _SIZE)

    def _set(self, armed, kinds=0, calls=0, error=0, first=0, last=0):
        self.map[0:4] = struct.pack("=I", 0)
        self.map[4:_SIZE] = bytes(_SIZE - 4)
        self.map[4:32] = struct.pack("=IIiQQ", kinds, calls, error, first, last)
        self.map[0:4] = struct.pack("=I", armed)

    def arm(self, point):
        self._set(1, 1 << KINDS.index(point.kind), 1 << CALLS.index(point.call), point.error, point.nth,
                  ALL if point.lasting else point.nth)

    def count(self):
        """Nothing fails, all is counted."""
        self._set(1)

    def disarm(self):
        self.map[0:4] = struct.pack("=I", 0)

    @property
    def armed(self):
        return self.map[0:4] != bytes(4)

    def _number(self, at):
        return struct.unpack_from("=Q", self.map, at)[0]

    @property
    def seen(self):
        return self._number(32)

    @property
    def hits(self):
        return self._number(40)

    @property
    def reused(self):
        return self._number(48)

    def counts(self):
        """{(kind, call): how many} since it was armed."""
        numbers = struct.unpack_from(f"={len(CALLS) * len(KINDS)}Q", self.map, _HEAD.size)
        return {(kind, call): numbers[k * len(CALLS) + c] for k, kind in enumerate(KINDS) for c, call in enumerate(CALLS)
                if numbers[k * len(CALLS) + c]}

    def close(self):
        self.map.close()
