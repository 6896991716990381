"""A timer that an event loop watches: loops count in milliseconds, this one in nanoseconds."""

from libc.errno cimport errno
from libc.stdint cimport uint64_t

import os

cdef extern from "sys/timerfd.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    struct itimerspec:
        timespec it_interval
        timespec it_value
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec *new, itimerspec *old)
    const int TFD_CLOEXEC
    const int TFD_NONBLOCK
    const int TFD_TIMER_ABSTIME

cdef extern from "time.h" nogil:
    const int CLOCK_MONOTONIC

cdef enum:
    SECOND_NS = 1000000000


cdef class Alarm:
    """A descriptor that becomes readable at a moment.

    Raises:
        OSError: descriptors are short.
    """

    cdef readonly int fd

    def __cinit__(self):
        self.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def set(self, uint64_t at_ns):
        """Has it become readable at that moment of CLOCK_MONOTONIC, which replaces the last one."""
        cdef itimerspec when
        when.it_interval.tv_sec = when.it_interval.tv_nsec = 0
        at_ns = max(at_ns, 1)  # 0 would be never
        when.it_value.tv_sec = at_ns // SECOND_NS
        when.it_value.tv_nsec = at_ns % SECOND_NS
        if timerfd_settime(self.fd, TFD_TIMER_ABSTIME, &when, NULL) != 0:
            raise OSError(errno, os.strerror(errno))

    def clear(self):
        """Takes note that it was readable."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:  # it was set anew meanwhile
            pass

    def close(self):
        """Gives the descriptor back. May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
