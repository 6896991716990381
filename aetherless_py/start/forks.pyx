"""A template's loop: it forks by command, and touches as little of its memory as it can.

Each page that the template writes to has to be copied with every fork's page tables, and copied for
good when it is written again. So the loop is C on its own stack; Python runs in the template only
where `os.fork` would run it, too: in what was registered with `os.register_at_fork`.
"""

from posix.fcntl cimport O_CLOEXEC, O_RDONLY, open
from posix.signal cimport kill
from posix.unistd cimport _exit, close, dup2, fork, getpid, getppid, read, write
from posix.wait cimport WNOHANG, waitpid
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint64_t
from libc.stdlib cimport strtol
from libc.string cimport memcpy, memmove, strerror, strlen, strncmp

cdef extern from "Python.h":
    void PyOS_BeforeFork()
    void PyOS_AfterFork_Parent()
    void PyOS_AfterFork_Child()

cdef extern from "sched.h" nogil:
    int sched_yield()

cdef extern from "signal.h" nogil:
    const int SIGKILL

cdef extern from "sys/prctl.h" nogil:
    int prctl(int option, ...)
    const int PR_SET_PDEATHSIG

cdef extern from "stdio.h" nogil:
    int snprintf(char *, size_t, const char *, ...)

cdef extern from "sys/uio.h" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "sys/socket.h" nogil:
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    struct msghdr:
        void *msg_name
        unsigned int msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    const int MSG_CMSG_CLOEXEC
    const int MSG_NOSIGNAL
    const int SOL_SOCKET
    const int SCM_RIGHTS
    ssize_t recvmsg(int, msghdr *, int)
    ssize_t send(int, const void *, size_t, int)
    cmsghdr *CMSG_FIRSTHDR(msghdr *)
    unsigned char *CMSG_DATA(cmsghdr *)

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec *)
    const int CLOCK_MONOTONIC

cdef enum:
    COMMAND = 4096  # bytes of the longest command
    CHILDREN = 1 << 17  # bytes of the longest list of children
    MOST = 256  # spares, and strays at a time
    INSTANCES = 4096
    ID = 16  # characters of an instance's id

cdef struct Spare:
    int connection
    int output

cdef struct Instance:
    char id[ID]
    int pid

cdef struct Ancillary:
    size_t aligned
    char room[56]  # for two descriptors


# A process is one template at the most. Here, since it is on pages of its own.
cdef Spare spares[MOST]
cdef int spare_count = 0
cdef Instance instances[INSTANCES]
cdef int instance_count = 0
cdef int pending = -1  # a wait status that is to be told
cdef char children_text[CHILDREN]
# Processes that the function started when it was imported: they are the template's, as its modules.
cdef int helpers[MOST]
cdef int helper_count = -1


cdef uint64_t _now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef ssize_t _receive(int control, char *command, Spare *given) noexcept nogil:
    """One command, ended by a zero; 0 at the end. Descriptors that came with it go to `given`."""
    cdef Ancillary ancillary
    cdef iovec part
    cdef msghdr message
    cdef cmsghdr *header
    cdef ssize_t size
    part.iov_base, part.iov_len = command, COMMAND - 1
    message.msg_name, message.msg_namelen = NULL, 0
    message.msg_iov, message.msg_iovlen = &part, 1
    while True:
        message.msg_control, message.msg_controllen = &ancillary, sizeof(ancillary)
        size = recvmsg(control, &message, MSG_CMSG_CLOEXEC)
        if size >= 0 or errno != EINTR:
            break
    if size <= 0:
        return 0
    command[size] = 0
    header = CMSG_FIRSTHDR(&message)
    if header != NULL and header.cmsg_level == SOL_SOCKET and header.cmsg_type == SCM_RIGHTS:
        memcpy(given, CMSG_DATA(header), sizeof(Spare))
    return size


cdef int _forget(const char *instance_id) noexcept nogil:
    """The process id of that instance, which is not remembered any more; 0 for none."""
    global instance_count
    cdef int i, pid
    for i in range(instance_count):
        if strncmp(instances[i].id, instance_id, ID) == 0:
            pid = instances[i].pid
            instance_count -= 1
            instances[i] = instances[instance_count]
            return pid
    return 0


cdef int _wait(int pid, int *status) noexcept nogil:
    while waitpid(pid, status, 0) < 0:
        if errno != EINTR:
            return -1
    return 0


cdef bint _known(int pid) noexcept nogil:
    cdef int i
    for i in range(instance_count):
        if instances[i].pid == pid:
            return True
    for i in range(helper_count):
        if helpers[i] == pid:
            return True
    return False


cdef int _strangers(int *found) noexcept nogil:
    """Children that are neither instances nor helpers, and live; the dead ones are reaped."""
    cdef char *rest = children_text
    cdef int fd = open(b"/proc/thread-self/children", O_RDONLY | O_CLOEXEC)
    cdef ssize_t size = 0, more = 1
    cdef int count = 0, pid
    if fd < 0:
        return 0
    while more > 0 and size < CHILDREN - 1:
        more = read(fd, children_text + size, CHILDREN - 1 - size)
        size += max(<ssize_t>0, more)
    close(fd)
    children_text[size] = 0
    while count < MOST:
        pid = <int>strtol(rest, &rest, 10)
        if pid <= 0:
            break
        if not _known(pid) and waitpid(pid, NULL, WNOHANG) == 0:
            found[count] = pid
            count += 1
    return count


def obey(int control, int lifeline):
    """Obeys until there is something that only Python can do.

    One command a message (SOCK_SEQPACKET):
      S, with two descriptors   a spare: a connection to the runtime, and what its instance prints to
      F + id                    fork an instance on the oldest spare
      E + id                    end that instance, whose descendants the runtime has killed; answered
                                with its wait status
    A child's first act is to say READY on its connection. Then all is done that `os.fork` owes.

    Args:
        control: the socket that commands come from.
        lifeline: closed in a child, as `control` is.

    Returns:
        In a child: (its id, its connection, the moment of its creation in ns). In the template:
        process ids of those that an ended instance has left to it, to be killed and reaped; the
        answer is given when this is called again. None when the runtime has closed.
    """
    global spare_count, instance_count, pending, helper_count
    cdef char command[COMMAND]
    cdef char answer[64]
    cdef int strays[MOST]
    cdef Spare given
    cdef ssize_t size
    cdef int i, pid, count, status, parent = getpid()
    cdef uint64_t created_ns
    if helper_count < 0:
        helper_count = 0  # nobody is known yet
        helper_count = _strangers(helpers)
    while True:
        if pending >= 0:
            snprintf(answer, sizeof(answer), b"%d", pending)
            pending = -1
            if send(control, answer, strlen(answer), MSG_NOSIGNAL) < 0:
                return None
        with nogil:
            size = _receive(control, command, &given)
        if size == 0:
            return None
        if command[0] == b"S" and spare_count < MOST:
            spares[spare_count] = given
            spare_count += 1
        elif command[0] == b"F" and size == ID + 1 and spare_count:
            PyOS_BeforeFork()
            if instance_count < INSTANCES:
                pid = fork()
            else:
                pid, errno = -1, EAGAIN
            if pid == 0:
                created_ns = _now_ns()
                if write(spares[0].connection, b"READY", 5) != 5:
                    _exit(1)
                # Whoever hears it may have been woken on this processor, and would wait for the
                # rest.
                sched_yield()
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
                if (getppid() != parent or dup2(spares[0].output, 1) < 0
                        or dup2(spares[0].output, 2) < 0):
                    _exit(1)
                close(spares[0].output)
                close(control)
                close(lifeline)
                for i in range(1, spare_count):  # its siblings'
                    close(spares[i].connection)
                    close(spares[i].output)
                PyOS_AfterFork_Child()
                return command[1:size].decode(), spares[0].connection, created_ns
            PyOS_AfterFork_Parent()
            if pid < 0:  # closing the spare is what tells the runtime
                snprintf(answer, sizeof(answer), b"fork: %s", strerror(errno))
                write(spares[0].output, answer, strlen(answer))
            else:
                memcpy(instances[instance_count].id, command + 1, ID)
                instances[instance_count].pid = pid
                instance_count += 1
            close(spares[0].connection)
            close(spares[0].output)
            spare_count -= 1
            memmove(spares, spares + 1, spare_count * sizeof(Spare))
        elif command[0] == b"E" and size == ID + 1:
            status = 0
            pid = _forget(command + 1)
            if pid:  # or its fork had failed
                kill(pid, SIGKILL)
                _wait(pid, &status)
            pending = status
            count = _strangers(strays)
            if count:
                return [strays[i] for i in range(count)]
        else:
            return None
