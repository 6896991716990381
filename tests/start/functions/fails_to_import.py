"""A function that cannot be made ready."""

raise RuntimeError("this function cannot be imported")
