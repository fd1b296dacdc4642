"""The store in LMDB: embedded, on a local disk."""
