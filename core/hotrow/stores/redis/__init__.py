"""The store on one Redis or Valkey server, with Sentinel or without."""
