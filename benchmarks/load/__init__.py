"""A generator of HTTP load: open loop by schedules made beforehand, closed loop as the control.

In an open loop a request is sent at its intended start whatever has come back; in a closed loop
each connection waits for its answer first (Schroeder, Wierman & Harchol-Balter, "Open versus
closed: a cautionary tale", NSDI 2006). Latency runs from the intended start, as in wrk2: whoever
times from the actual send leaves out the wait of those who could not be sent, which Tene calls
coordinated omission.

`run.run` does one run in a fresh process; `arrivals` makes schedules, `result` says what came.
"""
