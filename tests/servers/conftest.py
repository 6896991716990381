"""What every test of a way of serving gets: a look at what is left over."""

from tests.ways.support import nothing_left as nothing_left
