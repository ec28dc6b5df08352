"""Work of authors that may never end, in processes that can be killed.

A template may loop without end, a number grow until nothing else can run, a Python node never await. So they run in worker
processes, several turns in each. Whoever asks is told at the deadline at the latest, and what cannot be stopped is killed
with its process. The rooms:

- ``pool``: the asks, their deadlines, who waits
- ``crew``: how many workers there are, and which one takes a request
- ``worker``: one process, seen from the server
- ``inside``: what runs in that process
- ``wire``: what the two say to each other
"""

from __future__ import annotations

__all__ = ["WorkerPool"]
