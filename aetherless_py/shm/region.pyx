"""A ring's segment: made whole, checked before it is trusted, reclaimed when its users are dead.

Making: the file is made without a name, allocated, filled in and locked, and only then linked to
its name, so that nobody ever sees half a segment and a killed maker leaves nothing.

Liveness: everybody who has the segment open holds a shared lock (open file description locks,
``fcntl(2)``) on its first byte. The kernel drops it when the process ends, however it ends; it
cannot be confused by reused process ids or PID namespaces.
"""

import errno
import fcntl
import operator
import os
import re
import secrets
import stat
import weakref

from aetherless_py.errors import (
    SegmentExistsError,
    SegmentForeignError,
    SegmentFormatError,
    SegmentNameError,
    SegmentNoSpaceError,
    SegmentNotFoundError,
    SegmentSizeError,
)

from libc.errno cimport errno as c_errno
from posix.fcntl cimport F_RDLCK, F_WRLCK
from posix.fcntl cimport open as c_open
from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_NONE, PROT_READ,
    PROT_WRITE, mmap, munmap,
)
from aetherless_py.shm cimport native

cdef extern from "sys/mman.h" nogil:
    const int MAP_NORESERVE
    const int MAP_POPULATE
    const unsigned int MFD_ALLOW_SEALING
    const unsigned int MFD_CLOEXEC
    int memfd_create(const char *name, unsigned int flags)

# On Linux, POSIX shared memory is this tmpfs: shm_open(3).
_FOLDER = "/dev/shm"
_FLAGS = os.O_RDWR | os.O_CLOEXEC
_AUTOMATIC_PREFIX = "aetherless-"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEMORY_FILE = MFD_ALLOW_SEALING | MFD_CLOEXEC
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW

# Objects that hold descriptors with locks. A forked child shares these descriptors, and would keep
# the locks of a dead parent alive: it gives them up at once.
_holders = weakref.WeakSet()


def register_holder(holder):
    """Has `holder.abandon()` called in every forked child; to be called before it opens anything."""
    _holders.add(holder)


cdef int open_held(str path, int flags) except -1:
    """Opens without giving up the interpreter lock.

    No other thread can fork between the opening and the moment at which the descriptor stands in
    its holder.
    """
    cdef bytes encoded = os.fsencode(path)
    cdef int fd = c_open(encoded, flags | _FLAGS, <int>0o600)
    if fd < 0:
        raise OSError(c_errno, os.strerror(c_errno), path)
    return fd


def _abandon_all():
    for holder in list(_holders):
        holder.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def _checked_name(name):
    if not isinstance(name, str):
        raise SegmentNameError(f"segment name must be a str, not {type(name).__name__}")
    bare = name.removeprefix("/")
    if not _NAME.fullmatch(bare):
        raise SegmentNameError(
            f"segment name {name!r} is not allowed: use 1 to 200 letters, digits, '.', '_' or '-',"
            " beginning with a letter, digit or '_'"
        )
    return "/" + bare


def _checked_capacity(capacity_bytes):
    given = type(capacity_bytes)
    try:
        capacity_bytes = operator.index(capacity_bytes)  # numpy's integers, too
    except TypeError:
        capacity_bytes = None
    if capacity_bytes is None or given is bool:
        raise SegmentSizeError(f"capacity_bytes must be an int, not {given.__name__}")
    least = max(int(native.AETHER_MIN_CAPACITY), _PAGE_BYTES)
    most = int(native.AETHER_MAX_CAPACITY)
    if capacity_bytes < least or capacity_bytes > most or capacity_bytes & (capacity_bytes - 1):
        raise SegmentSizeError(
            f"capacity_bytes is {capacity_bytes}: it must be a power of two from {least} to {most}"
        )
    return capacity_bytes


cdef int open_segment(str name) except -1:
    """Opens a segment by name; its descriptor is the caller's to close."""
    try:
        # Not to wait for a pipe's other end, nor to follow a link out of the folder.
        return open_held(_FOLDER + name, os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SegmentNotFoundError(
            errno.ENOENT, "no such segment: its owner has not made it yet, or has unlinked it", name
        ) from None
    except PermissionError:
        raise SegmentForeignError(
            errno.EACCES, "the segment belongs to another user", name
        ) from None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise SegmentFormatError(f"{name}: not a ring (no regular file); give another name") from None


def _check_ours(fd, name):
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise SegmentFormatError(f"{name}: not a ring (no regular file); give another name")
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SegmentForeignError(
            errno.EACCES,
            f"the segment is of user {status.st_uid} with mode {stat.S_IMODE(status.st_mode):o}:"
            " only segments of this user with mode 600 are used",
            name,
        )
    return status


def _name_of_sealed(fd):
    """What errors call a ring that has no name."""
    return f"sealed ring {os.fstat(fd).st_ino}"


def _overcommit_is_strict():
    """Whether a page that the kernel has promised may yet be refused, with a SIGBUS (proc(5))."""
    with open("/proc/sys/vm/overcommit_memory", "rb") as file:
        return file.read(1) == b"2"


def _read_header(fd, status, name):
    """Returns (capacity_bytes, checksum, key) of a segment after checking all that can be checked."""
    cdef native.aether_header header
    raw = os.pread(fd, sizeof(header), 0)
    if len(raw) < <Py_ssize_t>sizeof(header):
        raise SegmentFormatError(f"{name}: {len(raw)} bytes are too few for a ring")
    header = (<native.aether_header *><char *>raw)[0]
    if header.magic != native.AETHER_MAGIC:
        raise SegmentFormatError(f"{name}: not a ring (wrong magic); give another name")
    if header.version != native.AETHER_VERSION:
        raise SegmentFormatError(
            f"{name}: ring of layout version {header.version}, this package speaks"
            f" {native.AETHER_VERSION}: use the same package version on both sides"
        )
    if header.flags & ~native.AETHER_FLAG_CHECKSUM:
        raise SegmentFormatError(f"{name}: unknown flags {header.flags:#x} in the header")
    if header.data_offset != native.AETHER_DATA_OFFSET:
        raise SegmentFormatError(f"{name}: data at {header.data_offset}, not where they belong")
    try:
        capacity_bytes = _checked_capacity(int(header.capacity))
    except SegmentSizeError as error:
        raise SegmentFormatError(f"{name}: damaged header: {error}") from None
    expected = native.AETHER_DATA_OFFSET + capacity_bytes
    if status.st_size != expected:
        raise SegmentFormatError(
            f"{name}: {status.st_size} bytes, but a ring of capacity {capacity_bytes} has"
            f" {expected}: truncated or damaged"
        )
    return capacity_bytes, bool(header.flags & native.AETHER_FLAG_CHECKSUM), header.key


def _identity(fd):
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def unlink_if_same(name, identity):
    """Removes the name if it still leads to that very segment; True if it did."""
    try:
        status = os.stat(_FOLDER + name, follow_symlinks=False)
        if (status.st_dev, status.st_ino) != identity:
            return False
        os.unlink(_FOLDER + name)
    except FileNotFoundError:
        return False
    return True


def _reclaim(name):
    """Removes the segment of that name if it is a ring of ours whose users are all dead."""
    cdef int fd = -1
    try:
        try:
            fd = open_segment(name)
            status = _check_ours(fd, name)
            raw = os.pread(fd, 8, 0)
        except SegmentNotFoundError:
            return True
        except (SegmentForeignError, SegmentFormatError):
            return False
        if raw != int(native.AETHER_MAGIC).to_bytes(8, "little"):
            return False
        # Exclusive over all bytes: fails while anybody lives, keeps newcomers out meanwhile.
        if native.aether_lock_take(fd, F_WRLCK, 0, native.AETHER_LOCK_COUNT) != 0:
            return False
        try:
            unlink_if_same(name, (status.st_dev, status.st_ino))
        finally:
            native.aether_lock_give(fd, 0, native.AETHER_LOCK_COUNT)
        return True
    finally:
        native.aether_close(&fd)


def reclaim_stale():
    """Removes all segments of this user whose users are all dead.

    Returns:
        The names that were removed.
    """
    removed = []
    for entry in os.scandir(_FOLDER):
        name = "/" + entry.name
        if not _NAME.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            continue
        if _reclaim(name) and not os.path.lexists(_FOLDER + name):
            removed.append(name)
    return removed


cdef class Region:
    """A mapped segment, unmapped when nothing refers to it.

    `create` makes a named one, to which others `attach`. `create_sealed` makes one without a name,
    whose descriptor is sent to who shall `adopt` it; its pages are allocated when they are touched.
    Whoever has a named segment open can shrink it, and the next touch of a page that is gone is a
    SIGBUS, in whatever process; a sealed one has its size for good.

    A view that somebody holds keeps the mapping, so it can never point at unmapped memory.
    """

    def __cinit__(self):
        self.fd = -1

    @staticmethod
    def create(capacity_bytes, name, checksum, populate):
        cdef Region region = Region.__new__(Region)
        if name is None:
            name = f"{_AUTOMATIC_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        region.name = _checked_name(name)
        capacity_bytes = _checked_capacity(capacity_bytes)
        register_holder(region)
        try:
            region.fd = open_held(_FOLDER, os.O_TMPFILE)
            os.ftruncate(region.fd, native.AETHER_DATA_OFFSET + capacity_bytes)
            # Allocate now: a page that tmpfs cannot give later would be a SIGBUS in the middle
            # of a write.
            os.posix_fallocate(region.fd, 0, native.AETHER_CONTROL_BYTES)
            os.posix_fallocate(region.fd, native.AETHER_DATA_OFFSET, capacity_bytes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
                raise
            free = os.statvfs(_FOLDER)
            raise SegmentNoSpaceError(
                error.errno,
                f"no room for a ring of {capacity_bytes} bytes"
                f" ({free.f_bavail * free.f_frsize} free): remove stale segments with"
                " aetherless_py.shm.reclaim_stale(), ask for less, or enlarge the file system",
                _FOLDER,
            ) from None
        region._fill(capacity_bytes, checksum, populate)
        region._link()
        return region

    @staticmethod
    def create_sealed(capacity_bytes, checksum, populate):
        cdef Region region = Region.__new__(Region)
        capacity_bytes = _checked_capacity(capacity_bytes)
        size_bytes = native.AETHER_DATA_OFFSET + capacity_bytes
        register_holder(region)
        try:
            region.fd = memfd_create(b"aetherless-ring", _MEMORY_FILE)
            if region.fd < 0:
                raise OSError(c_errno, os.strerror(c_errno))
            region.name = _name_of_sealed(region.fd)
            os.ftruncate(region.fd, size_bytes)
            if _overcommit_is_strict():
                os.posix_fallocate(region.fd, 0, size_bytes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
                raise
            raise SegmentNoSpaceError(
                error.errno, f"no memory for a ring of {capacity_bytes} bytes: ask for less"
            ) from None
        region._fill(capacity_bytes, checksum, populate)
        fcntl.fcntl(region.fd, fcntl.F_ADD_SEALS, _SEALS | fcntl.F_SEAL_SEAL)
        return region

    def _fill(self, capacity_bytes, checksum, populate):
        cdef native.aether_header header
        self.capacity_bytes = capacity_bytes
        self.checksum = bool(checksum)
        header.magic = native.AETHER_MAGIC
        header.version = native.AETHER_VERSION
        header.flags = native.AETHER_FLAG_CHECKSUM if checksum else 0
        header.capacity = capacity_bytes
        header.data_offset = native.AETHER_DATA_OFFSET
        header.key = self.key = secrets.randbits(32)
        header.unused = 0
        os.pwrite(self.fd, (<char *>&header)[:sizeof(header)], 0)
        self.map(populate)
        self._hold()

    @staticmethod
    def attach(name, populate=True):
        cdef Region region = Region.__new__(Region)
        region.name = _checked_name(name)
        register_holder(region)
        region.fd = open_segment(region.name)
        status = _check_ours(region.fd, region.name)
        region.capacity_bytes, region.checksum, region.key = _read_header(
            region.fd, status, region.name)
        region._hold()
        if os.fstat(region.fd).st_nlink == 0:
            raise SegmentNotFoundError(
                errno.ENOENT, "the segment was removed at this moment", region.name
            )
        region.map(populate)
        return region

    @staticmethod
    def adopt(int fd, populate=True):
        cdef Region region = Region.__new__(Region)
        region.name = _name_of_sealed(fd)
        register_holder(region)
        # An open file description of its own: locks on the one that came are its maker's, too.
        region.fd = open_held(f"/proc/self/fd/{fd}", 0)
        try:
            sealed = fcntl.fcntl(region.fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS
        except OSError:  # it is not even in memory
            sealed = False
        if not sealed:
            raise SegmentFormatError(f"{region.name}: not a sealed ring: who sent it may shrink it")
        region.capacity_bytes, region.checksum, region.key = _read_header(
            region.fd, os.fstat(region.fd), region.name)
        region._hold()
        region.map(populate)
        return region

    def _hold(self):
        if native.aether_lock_take(self.fd, F_RDLCK, native.AETHER_LOCK_USERS, 1) != 0:
            raise SegmentNotFoundError(
                errno.ENOENT, "the segment is being reclaimed at this moment", self.name
            )
        self.identity = _identity(self.fd)

    def abandon(self):
        """In a forked child: the descriptor, and with it the parent's lock, is not ours."""
        native.aether_close(&self.fd)

    def close(self):
        """Counts no longer among the segment's users; the mapping stays while anything refers to it."""
        self.let_go()

    cdef void let_go(self) noexcept nogil:
        if self.fd >= 0:
            native.aether_lock_give(self.fd, native.AETHER_LOCK_USERS, 1)
            native.aether_close(&self.fd)

    def _link(self):
        folder = os.open(_FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Each round either links, or finds the name in use, or removes a dead segment.
            while True:
                try:
                    os.link(f"/proc/self/fd/{self.fd}", self.name[1:], dst_dir_fd=folder,
                            follow_symlinks=True)
                    return
                except FileExistsError:
                    if not _reclaim(self.name):
                        raise SegmentExistsError(
                            errno.EEXIST,
                            "the name is in use (a live ring, or an object that is no ring of this"
                            " user): attach to it, or choose another name",
                            self.name,
                        ) from None
        finally:
            os.close(folder)

    cdef int map(self, bint populate) except -1:
        cdef int flags = MAP_SHARED | MAP_FIXED | (MAP_POPULATE if populate else 0)
        cdef int fd = self.fd
        cdef bint failed
        cdef size_t offset = native.AETHER_DATA_OFFSET
        cdef size_t capacity = self.capacity_bytes
        cdef size_t total = offset + 2 * capacity
        cdef int protection = PROT_READ | PROT_WRITE
        cdef char *base = <char *>mmap(NULL, total, PROT_NONE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if base == <char *>MAP_FAILED:
            raise OSError(c_errno, os.strerror(c_errno), self.name)
        self.mapped_bytes = total
        self.control = <native.aether_control *>base
        self.data = base + offset
        # Populated ahead: a page fault would otherwise stand in the first lap's latencies.
        with nogil:
            failed = (
                mmap(base, native.AETHER_CONTROL_BYTES, protection, flags, fd, 0) == MAP_FAILED
                or mmap(base + offset, capacity, protection, flags, fd, offset) == MAP_FAILED
                or mmap(base + offset + capacity, capacity, protection, flags, fd, offset)
                == MAP_FAILED
            )
        if failed:
            raise OSError(c_errno, os.strerror(c_errno), self.name)
        return 0

    cdef int reopen(self) except -1:
        """A descriptor of an open file description of its own, so that locks on it are its own."""
        return open_held(f"/proc/self/fd/{self.fd}", 0)

    def __dealloc__(self):
        # Megabytes may have to be given back: the other threads go on meanwhile.
        with nogil:
            if self.control != NULL:
                munmap(self.control, self.mapped_bytes)
            self.let_go()
