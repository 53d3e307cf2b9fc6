"""The same work without rivya-flows: what it is compared with."""
