"""asv's plugin, and the pages that `asv publish` makes with it."""
