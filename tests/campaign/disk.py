# SPDX-License-Identifier: ISC
"""File systems in image files, and two ways to cut their power.

- by ioctl: the file system is shut down as fstests does it (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN; no flush of its log), so that nothing
  reaches the image any more; what was not synced is gone, and mounting it again replays what the journal held. Calls give EIO from then on.
- by copy: the image lies on an XFS of its own and is cloned (FICLONE) while it is being written. A clone is atomic with the writes to the
  file, so it is what a disk would hold that has written everything it was told to so far, and nothing of what was still in the page cache.
  It needs nothing of the file system inside, and is for those without a shutdown.

Everything is mounted in a mount namespace of this process, on loop devices that end with their mount.
"""
import contextlib
import ctypes
import fcntl
import glob
import os
import re
import shutil
import signal
import struct
import subprocess
import time

from .result import Unavailable

CLONE_NEWNS = 0x00020000
SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32) of ext4 and xfs
FLUSH_ALL, FLUSH_LOG, FLUSH_NOTHING = 0, 1, 2  # before it is shut down
FICLONE = 0x40049409

MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}
CHECK = {"ext4": ["e2fsck", "-fn"], "xfs": ["xfs_repair", "-n"], "btrfs": ["btrfs", "check", "--readonly"]}
SIZE = {"ext4": 256 << 20, "xfs": 512 << 20, "btrfs": 512 << 20}


def asleep_in_kernel():
    """Threads of a server that wait in the kernel and take no signal, each with the place: who keeps a file system busy though it was killed."""
    found = []
    for task in sorted(glob.glob("/proc/[0-9]*/task/[0-9]*")):
        with contextlib.suppress(OSError):
            with open(f"{task}/stat") as f:
                name, state = re.match(r"\d+ \((.*)\) (\S)", f.read(), re.DOTALL).groups()
            with open(f"{task}/wchan") as f:
                place = f.read()
            if state == "D" and name.startswith("thurn"):
                found.append(f"{name}[{task.split('/')[2]}] is in the kernel, in {place}")
    return "".join(f"; {one}" for one in found)


def end_on_sigterm():
    """SIGTERM ends the campaign as ^C does: its servers are killed, and what it mounted is unmounted."""
    def over(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, over)


def own_namespace():
    """Mounts from now on are seen by this process and its children only, and end with them. Call it before any thread is made."""
    if os.geteuid() != 0:
        raise Unavailable("mounting a file system needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Unavailable(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    run("mount", "--make-rprivate", "/")


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Disk:
    """A file system `kind` in an image below `folder`, mounted at `place`."""

    def __init__(self, kind, folder, size=None, options=""):
        self.options = "loop" + ("," + options if options else "")
        self.kind, self.folder, self.place = kind, folder, os.path.join(folder, "disk")
        self.image = os.path.join(folder, "image")
        self.mounted = False
        os.makedirs(self.place, exist_ok=True)
        self._make(self.image, kind, size or SIZE[kind])

    @staticmethod
    def _make(image, kind, size):
        if not shutil.which(MAKE[kind][0]):
            raise Unavailable(f"{MAKE[kind][0]} is not installed")
        with open(image, "wb") as file:
            file.truncate(size)
        run(*MAKE[kind], image)

    def mount(self):
        run("mount", "-o", self.options, "-t", self.kind, self.image, self.place)
        self.mounted = True

    def unmount(self):
        """Waits for those that still have it open."""
        end = time.monotonic() + 30
        while self.mounted:
            done = subprocess.run(["umount", self.place], capture_output=True, text=True, timeout=120)
            if done.returncode == 0:
                self.mounted = False
            elif time.monotonic() > end:
                raise AssertionError(f"cannot unmount {self.place}: {done.stderr.strip()}{asleep_in_kernel()}")
            else:
                time.sleep(0.05)

    def sync(self):
        fd = os.open(self.place, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        subprocess.run(["sync", "-f", self.place], check=True, timeout=120)

    def cut(self, flush=FLUSH_NOTHING):
        """The power goes. When this has returned, nothing that happens on the file system counts."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", flush))
        finally:
            os.close(fd)

    def after(self):
        """Called when it is unmounted after a cut, before it is mounted again."""

    def check(self):
        """fsck on the unmounted image; its complaint, or None."""
        done = subprocess.run([*CHECK[self.kind], self.image], capture_output=True, text=True, timeout=120)
        return None if done.returncode == 0 else f"{' '.join(CHECK[self.kind])}: {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-500:]}"

    def close(self):
        with contextlib.suppress(AssertionError):
            self.unmount()
        if self.mounted:
            subprocess.run(["umount", "-l", self.place], capture_output=True, timeout=120)
        shutil.rmtree(self.folder, ignore_errors=True)


class CopiedDisk(Disk):
    """The same, cut by a clone of the image."""

    def __init__(self, kind, folder, size=None, options=""):
        os.makedirs(folder, exist_ok=True)
        self.outside = os.path.join(folder, "outside")
        os.makedirs(self.outside, exist_ok=True)
        self._make(os.path.join(folder, "base"), "xfs", 4 << 30)
        run("mount", "-o", "loop", "-t", "xfs", os.path.join(folder, "base"), self.outside)
        try:
            super().__init__(kind, folder, size, options)
        except BaseException:
            subprocess.run(["umount", self.outside], capture_output=True, timeout=120)
            raise

    def _make(self, image, kind, size):
        if image == self.__dict__.get("image"):
            image = self.image = os.path.join(self.outside, "image")
        Disk._make(image, kind, size)

    def cut(self, flush=FLUSH_NOTHING):
        self.copy = self.image + ".copy"
        with open(self.image, "rb") as source, open(self.copy, "wb") as target:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())

    def after(self):
        os.rename(self.copy, self.image)

    def close(self):
        with contextlib.suppress(AssertionError):
            self.unmount()
        for place in (self.place, self.outside):
            subprocess.run(["umount", "-l", place], capture_output=True, timeout=120)
        super().close()
