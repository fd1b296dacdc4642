"""The store on a cluster of Redis or Valkey."""
