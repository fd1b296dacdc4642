"""A Redis or Valkey server as a place to keep things: connections, scripts, and failures in hotrow's words."""
