"""Naive twins of the kernels: plain Python and protobuf's own objects, written from the descriptions of the formats.

A type is called by its wire name here ("float64", "string_list"), and a null is None.
"""
