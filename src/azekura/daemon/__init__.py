"""The rim of the server: routes, TLS edge, authorisation, events, background tasks."""
