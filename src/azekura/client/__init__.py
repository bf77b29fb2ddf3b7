"""Talking to a server that speaks LXD's REST API: over its unix socket, or over TLS.

Start at :class:`azekura.client.server.Server`. This package is imported by every run of ``lxc``, so nothing here
imports more than it needs: the standard ``http.client`` and ``urllib3`` cost more than a whole ``lxc image list``
(docs/adr/0005). urllib3 is imported by :mod:`azekura.client.transport` alone, and only for a TLS connection.
"""
