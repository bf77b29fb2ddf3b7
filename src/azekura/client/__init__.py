"""HTTP to a server: unix socket or TLS; an envelope becomes a value or an error."""
