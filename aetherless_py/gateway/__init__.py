"""The HTTP face of the runtime: listeners, routes, and what a request may be."""
