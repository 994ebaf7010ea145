"""The only printers: terminal and JSON."""
