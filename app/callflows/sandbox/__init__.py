"""Code of authors in processes that can be killed.

A template may loop without end, a number may grow until nothing else can run, a Python node may never await. So they run in
processes of their own. The caller has an answer at the deadline at the latest. A job that does not stop then is killed with
its process.

- ``deferred_jobs``: what a turn needs before its document can be written
- ``job_runner``: runs such jobs before a deadline
- ``sandbox_pool``: the processes, seen from the server
- ``sandbox_child``: the program that runs in them
"""
