"""Calls, telephone numbers, events and text messages as data. No module in this package does I/O."""
