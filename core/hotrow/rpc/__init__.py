"""RPC plumbing: the fast lane and the ordinary door, the gate both pass, listeners, frames between processes."""
