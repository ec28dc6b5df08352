"""Calls, telephone numbers, events and text messages as data. No module here does I/O."""
