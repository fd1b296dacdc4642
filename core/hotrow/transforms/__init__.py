"""Transforms at work: how a function is compiled, checked, and run over the rows of reads, pushes and training sets."""
