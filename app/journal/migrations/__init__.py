"""The migrations of the journal's tables, oldest first under ``versions``; run by ``app.journal.schema``."""
