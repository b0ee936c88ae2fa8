"""What one request leads to. A flow is a generator that yields effects and receives their results; it opens no socket and reads no clock."""
