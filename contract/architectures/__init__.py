"""The published architectures that are read: their sizes, and the names and shapes of their arrays."""
