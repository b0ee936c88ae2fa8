"""What the specifications say: pure functions in pairs (build the request, judge the response) and frozen values. No I/O, no clock."""
