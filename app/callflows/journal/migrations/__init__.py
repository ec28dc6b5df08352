"""The migrations of the journal's tables, oldest first in ``versions``.

``callflows.journal.schema_migration`` runs the migrations.
"""
