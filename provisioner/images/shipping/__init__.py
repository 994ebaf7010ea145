"""Images on their way to hosts: only what is missing, verified where it arrived."""
