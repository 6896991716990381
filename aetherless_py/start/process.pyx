"""What an instance's process asks of the kernel."""

from posix.fcntl cimport F_SETFL, F_SETOWN, O_NONBLOCK, O_RDONLY, fcntl
from posix.unistd cimport getpid
from libc.errno cimport errno
from libc.string cimport memset

import os

cdef extern from "Python.h":
    void PyOS_BeforeFork()
    void PyOS_AfterFork_Child()

cdef extern from "fcntl.h" nogil:
    const int F_SETSIG
    const int O_ASYNC

cdef extern from "signal.h" nogil:
    const int SIGKILL

cdef extern from "sys/prctl.h" nogil:
    int prctl(int option, ...)
    const int PR_SET_CHILD_SUBREAPER

cdef extern from "sched.h" nogil:
    int c_unshare "unshare"(int flags)
    int setns(int fd, int kind)
    const int CLONE_NEWNS
    const int CLONE_NEWPID

cdef extern from "sys/mount.h" nogil:
    int c_mount "mount"(const char *source, const char *target, const char *kind,
                        unsigned long flags, const void *data)
    const unsigned long MS_REC
    const unsigned long MS_PRIVATE

cdef extern from "sys/syscall.h" nogil:
    const long SYS_perf_event_open
    long syscall(long number, ...)

cdef extern from "linux/perf_event.h" nogil:
    struct perf_event_attr:
        unsigned int type
        unsigned int size
        unsigned long config
    const int PERF_TYPE_SOFTWARE
    const int PERF_COUNT_SW_DUMMY
    const unsigned long PERF_FLAG_FD_CLOEXEC

# The descriptor by which a fresh process learns of the runtime's end, and that by which a template
# is told what to do.
LIFELINE = 3
CONTROL = 4
_MANY = 1 << 20

cdef int checked(long answer) except -1:
    if answer < 0:
        raise OSError(errno, os.strerror(errno))
    return <int>answer


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


def run_after_fork():
    """Runs what Python and its modules do in a fork's child."""
    PyOS_BeforeFork()
    PyOS_AfterFork_Child()


def private_mounts():
    """Gives this process mounts of its own: what it mounts from now on nobody else sees.

    Raises:
        OSError: the kernel refused, as it does all of these without CAP_SYS_ADMIN.
    """
    checked(c_unshare(CLONE_NEWNS))
    checked(c_mount(NULL, b"/", NULL, MS_REC | MS_PRIVATE, NULL))


def mount(bytes kind, bytes target):
    """Mounts a file system that needs no device, such as "proc" or "tmpfs".

    Raises:
        OSError: as `private_mounts`.
    """
    checked(c_mount(kind, target, kind, 0, NULL))


def new_pid_namespace():
    """Has the next child of this process be the first one of a new PID namespace.

    Raises:
        OSError: as `private_mounts`.
    """
    checked(c_unshare(CLONE_NEWPID))


def back_to_pid_namespace(int fd):
    """Has the next children be where that descriptor of a PID namespace says.

    Raises:
        OSError: as `private_mounts`.
    """
    checked(setns(fd, CLONE_NEWPID))


def open_idle_event():
    """Opens a performance event that counts nothing, for this process.

    While anybody holds one that is bound to a process, the kernel's switch for such events is on.
    Turning it on waits for an RCU grace period of 9 to 25 ms, which CRIU does at each restore when
    it sets a debug register (PTRACE_POKEUSER).

    Returns:
        Its descriptor.

    Raises:
        OSError: this kernel has no such events, or forbids them.
    """
    cdef perf_event_attr attributes
    memset(&attributes, 0, sizeof(attributes))
    attributes.type = PERF_TYPE_SOFTWARE
    attributes.size = sizeof(attributes)
    attributes.config = PERF_COUNT_SW_DUMMY
    return checked(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC))
