"""Reads evidence: from what was seen of a failing node to the reasons, without a question asked."""
