"""Images through a registry: pushed once by the engine that builds, pulled by each host, always by digest."""
