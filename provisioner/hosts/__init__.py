"""One SSH connection per host, and on it the Engine API."""
