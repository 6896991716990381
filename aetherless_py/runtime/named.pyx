"""Whether a namedtuple is in an answer: `json` makes an array of it, AWS's client an object."""

from cpython.dict cimport PyDict_Check, PyDict_Next
from cpython.list cimport PyList_Check
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_Check, PyTuple_CheckExact

cdef extern from "Python.h":
    bint Py_EnterRecursiveCall(const char *)
    void Py_LeaveRecursiveCall()
    const unsigned long Py_TPFLAGS_DICT_SUBCLASS
    const unsigned long Py_TPFLAGS_LIST_SUBCLASS
    const unsigned long Py_TPFLAGS_TUPLE_SUBCLASS
    ctypedef struct PyTypeObject
    PyTypeObject *Py_TYPE(PyObject *)
    bint PyType_HasFeature(PyTypeObject *, unsigned long)
    Py_ssize_t PySequence_Fast_GET_SIZE(object)
    PyObject **PySequence_Fast_ITEMS(object)


cpdef bint has_named(object value) except -1:
    """Looks into dicts, lists and tuples, as deep as Python's own recursion may go."""
    cdef Py_ssize_t at = 0
    cdef PyObject *key
    cdef PyObject *item
    cdef bint found = False
    if PyTuple_Check(value) and not PyTuple_CheckExact(value) and hasattr(value, "_asdict"):
        return True
    if Py_EnterRecursiveCall(" while looking for namedtuples"):
        return -1  # the exception is set
    try:
        if PyDict_Check(value):
            while not found and PyDict_Next(value, &at, &key, &item):
                found = _is_container(item) and has_named(<object>item)
        elif PyList_Check(value) or PyTuple_Check(value):
            while not found and at < PySequence_Fast_GET_SIZE(value):
                item = PySequence_Fast_ITEMS(value)[at]
                found = _is_container(item) and has_named(<object>item)
                at += 1
    finally:
        Py_LeaveRecursiveCall()
    return found


cdef inline bint _is_container(PyObject *item) noexcept:
    return PyType_HasFeature(
        Py_TYPE(item),
        Py_TPFLAGS_DICT_SUBCLASS | Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS,
    )
