"""Codecs: keys, rows and wire messages as bytes. Kernels stand in `kernel_*.py`; nothing else here loads Numba."""
