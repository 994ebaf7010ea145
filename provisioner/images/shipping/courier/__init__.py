"""The courier: a small image of ours that does on a host what its engine cannot, one task at a time."""
