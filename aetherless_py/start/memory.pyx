"""Moving a process's own memory into a file, so that an image of the process need not hold it.

CRIU copies what an image holds into each restored process, page by page. Memory that is a private
mapping of a file is mapped instead: pages are read where they are touched, and those that nobody
writes to are shared by all instances.
"""

from libc.stdint cimport uint64_t
from posix.unistd cimport pwrite
from posix.mman cimport MAP_FAILED, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, mmap

import os
import re

cdef extern from "unistd.h" nogil:
    ssize_t pread(int fd, void *buffer, size_t size, long offset)

cdef extern from "signal.h" nogil:
    ctypedef struct sigset_t:
        pass
    int sigfillset(sigset_t *)
    int sigprocmask(int how, const sigset_t *, sigset_t *)
    const int SIG_SETMASK

cdef enum:
    PAGE = 4096
    CHUNK = 512  # pages whose state is looked at together
    MOST = 4096  # regions
    GAP = 64  # pages: so many that are not there, and the rest is a region of its own

# What the kernel says of a page in /proc/self/pagemap.
cdef uint64_t PRESENT = <uint64_t>3 << 62  # in memory, or swapped out
cdef uint64_t FILE_OR_SHARED = <uint64_t>1 << 61
# Regions of which the kernel promises something that a file's mapping would not keep: wiped or left
# out in a fork, locked in memory, left out of dumps, of huge pages, of a device.
_SPECIAL = {"wf", "dc", "lo", "dp", "dd", "ht", "io", "pf"}

cdef struct Region:
    unsigned long begin, end
    int protection
    bint anonymous


cdef bint _own(uint64_t state) noexcept nogil:
    return state & PRESENT and not state & FILE_OR_SHARED


cdef int _runs(int pagemap, Region *region, Region *runs, int room) noexcept nogil:
    """What of a region is worth moving: all of a file's if a page of it is this process's own, and
    of an anonymous one the runs of pages that are there. What is left out stays as it is, so that
    no page has ever to be found room for in the file later."""
    cdef uint64_t states[CHUNK]
    cdef unsigned long at = region.begin, page
    cdef long size, i
    cdef int count = 0
    while at < region.end:
        size = min(<unsigned long>CHUNK, (region.end - at) // PAGE)
        if pread(pagemap, states, size * 8, at // PAGE * 8) != size * 8:
            return -1
        for i in range(size):
            if not _own(states[i]):
                continue
            page = at + i * PAGE
            if not region.anonymous:
                runs[0] = region[0]
                return 1
            if count and page - runs[count - 1].end <= GAP * PAGE:
                runs[count - 1].end = page + PAGE
            elif count == room:
                return count
            else:
                runs[count] = region[0]
                runs[count].begin, runs[count].end = page, page + PAGE
                count += 1
        at += size * PAGE
    return count


cdef bint _write(int fd, Region *run, long offset) noexcept nogil:
    cdef unsigned long at = run.begin
    cdef ssize_t size
    while at < run.end:
        size = pwrite(fd, <void *>at, run.end - at, offset + at - run.begin)
        if size <= 0:
            return False
        at += size
    return True


cdef long _move(int pagemap, Region *regions, int count, int fd) noexcept nogil:
    """Between copying a run and mapping the copy in its place nothing may be written to it: only
    this stack, which stays, and the kernel are used here."""
    cdef Region runs[CHUNK]
    cdef long pages = 0, offset = 0
    cdef unsigned long size
    cdef int i, j, found
    for i in range(count):
        found = _runs(pagemap, &regions[i], runs, CHUNK)
        if found < 0:
            return -1
        for j in range(found):
            size = runs[j].end - runs[j].begin
            if (not _write(fd, &runs[j], offset)
                    or mmap(<void *>runs[j].begin, size, runs[j].protection,
                            MAP_PRIVATE | MAP_FIXED, fd, offset) == MAP_FAILED):
                return -1
            pages += size // PAGE
            offset += size
    return pages


def move_to_file(int fd):
    """Replaces this process's own private memory, but for its stack, by a mapping of a file.

    The process must have one thread. The memory's content stays as it is, and what is written
    later is this process's alone, as before.

    Args:
        fd: an empty file, open for reading and writing.

    Returns:
        How many pages were moved.

    Raises:
        OSError: the file system is full, or the kernel refused; the process goes on unharmed.
        RuntimeError: it has several threads, or more regions than are provided for.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("memory can be moved only while the process has one thread")
    if os.sysconf("SC_PAGE_SIZE") != PAGE:
        raise RuntimeError(f"memory is moved in pages of {PAGE} bytes only")
    cdef Region regions[MOST]
    cdef int count = 0, error
    cdef long moved
    cdef sigset_t all_signals, before
    with open("/proc/self/smaps") as file:
        text = file.read()
    for head, flags in re.findall(r"^([0-9a-f]+-[0-9a-f]+ .*)(?:\n(?!VmFlags).*)*\nVmFlags:(.*)", text,
                                  re.MULTILINE):
        addresses, mode, _, _, inode, *name = head.split(maxsplit=5)
        if mode[0] != "r" or mode[3] != "p" or (name and name[0].startswith(("[stack", "[v"))):
            continue
        if _SPECIAL & set(flags.split()):
            continue
        if count == MOST:
            raise RuntimeError(f"more than {MOST} regions of memory")
        begin, end = addresses.split("-")
        regions[count].begin, regions[count].end = int(begin, 16), int(end, 16)
        regions[count].anonymous = inode == "0"
        regions[count].protection = (PROT_READ | (PROT_WRITE if mode[1] == "w" else 0)
                                     | (PROT_EXEC if mode[2] == "x" else 0))
        count += 1
    cdef int pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    sigfillset(&all_signals)
    sigprocmask(SIG_SETMASK, &all_signals, &before)
    moved = _move(pagemap, regions, count, fd)
    sigprocmask(SIG_SETMASK, &before, NULL)
    os.close(pagemap)
    if moved < 0:
        raise OSError("this process's memory cannot be moved into a file: is the file system full?")
    return moved
