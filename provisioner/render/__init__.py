"""Templates to files: Dockerfiles and configurations, checked after rendering."""
