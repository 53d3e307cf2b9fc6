"""Measures runs beside other programs that do the same work; see docs/performance.md."""
