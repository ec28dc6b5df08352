"""The migrations of the journal's tables, oldest first under ``versions``; run by ``callflows.journal.schema_migration``."""
