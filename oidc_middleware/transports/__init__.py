"""HTTP to the provider: connections, total deadlines, size limits, single flight. The HTTP library is imported at first use."""
