"""From what was measured to files: asv's result store and its run log as the standard JSON."""
