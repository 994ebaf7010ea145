"""The rehearsal fleet on this machine."""
