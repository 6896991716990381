"""A function that cannot be made ready."""

import time

print("this takes for ever", flush=True)
time.sleep(600)
