"""The ring's layout as Python numbers, for tools that look into a segment from outside.

The drawing and the meaning of each field are in ``_c/layout.h``; these are its values.
"""

from aetherless_py.shm cimport native


cdef extern from "layout.h":
    size_t _magic "offsetof(aether_control, header.magic)"
    size_t _version "offsetof(aether_control, header.version)"
    size_t _flags "offsetof(aether_control, header.flags)"
    size_t _capacity "offsetof(aether_control, header.capacity)"
    size_t _data "offsetof(aether_control, header.data_offset)"
    size_t _key "offsetof(aether_control, header.key)"
    size_t _head "offsetof(aether_control, head)"
    size_t _tail "offsetof(aether_control, tail)"
    size_t _producer "offsetof(aether_control, producer)"
    size_t _consumer "offsetof(aether_control, consumer)"
    size_t _frame_position "offsetof(aether_frame, position)"
    size_t _frame_tag "offsetof(aether_frame, tag)"
    size_t _frame_crc "offsetof(aether_frame, crc)"
    size_t _frame_length "offsetof(aether_frame, length)"


MAGIC = int(native.AETHER_MAGIC).to_bytes(8, "little")
VERSION = native.AETHER_VERSION
DATA_OFFSET = native.AETHER_DATA_OFFSET
MIN_CAPACITY_BYTES = native.AETHER_MIN_CAPACITY
MAX_CAPACITY_BYTES = native.AETHER_MAX_CAPACITY
FRAME_ALIGN_BYTES = native.AETHER_FRAME_ALIGN
FRAME_HEADER_BYTES = native.AETHER_FRAME_HEADER

OFFSET_MAGIC = _magic
OFFSET_VERSION = _version
OFFSET_FLAGS = _flags
OFFSET_CAPACITY = _capacity
OFFSET_DATA_OFFSET = _data
OFFSET_KEY = _key
OFFSET_HEAD = _head
OFFSET_TAIL = _tail
OFFSET_PRODUCER_ROLE = _producer
OFFSET_CONSUMER_ROLE = _consumer
FRAME_POSITION = _frame_position
FRAME_TAG = _frame_tag
FRAME_CRC = _frame_crc
FRAME_LENGTH = _frame_length
