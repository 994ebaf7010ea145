"""Text to typed values: the spec, the inventory, the placement and the release."""
