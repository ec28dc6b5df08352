"""The steps of flows: one class for each word, and every verb of the language."""
