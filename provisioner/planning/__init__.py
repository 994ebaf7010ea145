"""Pure decisions: what should be, what differs, in which order it changes."""
