"""The steps of flows: one class for each flow step, and every verb of the language."""
