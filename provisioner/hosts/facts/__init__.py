"""What a machine is, asked over its SSH connection with one read-only script."""
