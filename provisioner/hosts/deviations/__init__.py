"""What containers have that no request of ours leaves there, by live inspection and never by labels."""
