"""Runs code of authors in separate processes, which can be killed.

A template may loop without end, a number may grow until the memory is full, a Python node may never await. Even so, the
caller has an answer at the deadline at the latest. A job that does not stop then is killed with its process.

- ``deferred_jobs``: work that a turn needs before its document can be written
- ``job_runner``: runs such jobs before a deadline
- ``sandbox_pool``: the server's side of the processes
- ``sandbox_child``: the program inside the processes
"""
