"""The migrations of the journal's tables, oldest first under ``versions``.

``callflows.journal.schema_migration`` runs them.
"""
