"""From flow files to a working installation at Opentact, and back: what is wanted, what is there, the difference.

``wanted`` and ``found`` make a ``plan`` of ``steps``; what each will change is in the ``ledger`` before it is done, so that
``returning`` can restore it whatever breaks on the way.
"""
