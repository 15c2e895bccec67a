"""Measures this service beside the straightforward design and beside the floor of its parts."""
