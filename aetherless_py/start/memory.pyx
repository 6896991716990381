"""Moving a process's own memory into a file, so that an image of the process need not hold it.

CRIU copies what an image holds into each restored process, page by page. Memory that is a private
mapping of a file is mapped instead: pages are read where they are touched, and those that nobody
writes to are shared by all instances.
"""

from libc.stdint cimport uint64_t
from posix.unistd cimport ftruncate, pwrite
from posix.mman cimport MAP_FAILED, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, mmap

import os

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
    MOST = 2048  # regions

# What the kernel says of a page in /proc/self/pagemap.
cdef uint64_t PRESENT = <uint64_t>3 << 62  # in memory, or swapped out
cdef uint64_t FILE_OR_SHARED = <uint64_t>1 << 61

cdef struct Region:
    unsigned long begin, end
    int protection
    bint anonymous


cdef long _pages(int pagemap, Region *region, int fd, long offset) noexcept nogil:
    """Counts the pages that are this process's own, and writes the region where a file is given.

    Of an anonymous region only pages that exist: a hole in the file is zeros, too.
    """
    cdef uint64_t states[CHUNK]
    cdef unsigned long at = region.begin
    cdef long count, i, own = 0
    while at < region.end:
        count = min(<unsigned long>CHUNK, (region.end - at) // PAGE)
        if pread(pagemap, states, count * 8, at // PAGE * 8) != count * 8:
            return -1
        for i in range(count):
            if states[i] & PRESENT and not states[i] & FILE_OR_SHARED:
                own += 1
            elif region.anonymous:
                continue
            if fd >= 0 and pwrite(fd, <void *>at + i * PAGE, PAGE,
                                  offset + at - region.begin + i * PAGE) != PAGE:
                return -1
        at += count * PAGE
    return own


cdef long _move(int pagemap, Region *regions, int count, int fd) noexcept nogil:
    """Between copying a region and mapping the copy in its place nothing may be written to it:
    only this stack, which stays, and the kernel are used here."""
    cdef long total = 0, own, offset = 0
    cdef unsigned long size
    cdef int i
    for i in range(count):
        own = _pages(pagemap, &regions[i], -1, 0)
        if own < 0:
            return -1
        if own == 0:
            continue
        size = regions[i].end - regions[i].begin
        if (ftruncate(fd, offset + size) < 0
                or _pages(pagemap, &regions[i], fd, offset) < 0
                or mmap(<void *>regions[i].begin, size, regions[i].protection,
                        MAP_PRIVATE | MAP_FIXED, fd, offset) == MAP_FAILED):
            return -1
        total += own
        offset += size
    return total


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
    with open("/proc/self/maps") as file:
        lines = file.read().splitlines()
    for line in lines:
        addresses, mode, _, _, inode, *name = line.split(maxsplit=5)
        if mode[0] != "r" or mode[3] != "p" or (name and name[0].startswith(("[stack", "[v"))):
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
