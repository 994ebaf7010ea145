"""What images stand on: bootstrapped Debian roots, packages on them, wheels; all of it pinned and kept."""
