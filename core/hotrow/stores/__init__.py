"""Online stores: one port on bytes (`port`), one adapter a technology, named after it."""
