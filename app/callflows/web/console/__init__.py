"""The console: pages in the browser for the people who run the numbers."""
