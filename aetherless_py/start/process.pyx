"""What an instance's process asks of the kernel."""

from posix.fcntl cimport F_SETFL, F_SETOWN, O_NONBLOCK, O_RDONLY, fcntl
from posix.unistd cimport _exit, dup2, fork, getpid, getppid, write
from libc.errno cimport errno
from libc.stdint cimport uint64_t

import os

cdef extern from "Python.h":
    void PyOS_BeforeFork()
    void PyOS_AfterFork_Parent()
    void PyOS_AfterFork_Child()

cdef extern from "fcntl.h" nogil:
    const int F_SETSIG
    const int O_ASYNC

cdef extern from "signal.h" nogil:
    const int SIGKILL

cdef extern from "sys/prctl.h" nogil:
    int prctl(int option, ...)
    const int PR_SET_PDEATHSIG
    const int PR_SET_CHILD_SUBREAPER

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec *)
    const int CLOCK_MONOTONIC

# The descriptor by which a fresh process learns of the runtime's end, and that by which a template
# is told what to do.
LIFELINE = 3
CONTROL = 4
_MANY = 1 << 20

cdef uint64_t now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


def take_over(int last):
    """Closes what this process has inherited beyond the descriptors that are meant for it.

    Args:
        last: the last of those that are meant for it.
    """
    os.closerange(last + 1, _MANY)


def die_with(int lifeline):
    """Has the kernel kill this process when the last writer of that pipe is gone.

    PR_SET_PDEATHSIG would kill it at the end of the thread that started it.

    Raises:
        OSError: the kernel refused.
    """
    if (fcntl(lifeline, F_SETOWN, getpid()) < 0 or fcntl(lifeline, F_SETSIG, SIGKILL) < 0
            or fcntl(lifeline, F_SETFL, O_RDONLY | O_ASYNC | O_NONBLOCK) < 0):
        raise OSError(errno, os.strerror(errno))
    os.set_inheritable(lifeline, False)
    try:
        alive = os.read(lifeline, 1) != b""
    except BlockingIOError:
        alive = True
    if not alive:  # it ended before we asked
        os._exit(1)


def adopt_orphans():
    """Makes this process the parent of its descendants whose own parents end, so that all are found."""
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fork_ready(int connection, int output):
    """Forks; the child's first act is to say READY. Then it does all that `os.fork` owes Python.

    Args:
        connection: where the child says READY.
        output: what becomes the child's standard output and error.

    Returns:
        (0, moment of its creation in ns) in the child, (its process id, 0) in the parent.
    """
    cdef int parent = getpid()
    cdef int pid
    cdef uint64_t created_ns
    PyOS_BeforeFork()
    pid = fork()
    if pid == 0:
        created_ns = now_ns()
        if write(connection, b"READY", 5) != 5:
            _exit(1)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if getppid() != parent or dup2(output, 1) < 0 or dup2(output, 2) < 0:
            _exit(1)
        PyOS_AfterFork_Child()
        return 0, created_ns
    PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(errno, os.strerror(errno))
    return pid, 0


def run_after_fork():
    """Runs what Python and its modules do in a fork's child."""
    PyOS_BeforeFork()
    PyOS_AfterFork_Child()
