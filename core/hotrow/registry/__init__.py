"""The registry: immutable snapshots of definitions, the refs that point at them, and who moved them."""
