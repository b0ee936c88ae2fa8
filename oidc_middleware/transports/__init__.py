"""HTTP to the provider: total deadlines, size limits, single flight. The HTTP library is imported by one file, at first use."""
