"""Uploads: bytes that a client sends become an image."""

from __future__ import annotations

from collections.abc import Callable

from azekura.model.image import Image
from azekura.services.depot import Depot
from azekura.services.images.register import ImageWishes, register
from azekura.services.images.staging import Staging


def finish_upload(
    depot: Depot, staging: Staging, wishes: ImageWishes, *, last_call: Callable[[], None] = lambda: None
) -> Image:
    """Validate and record what was uploaded into ``staging``; ``last_call`` may still raise Cancelled.

    Raises:
        InvalidRequest, TooLarge, NoSpace, StorageFailed, FingerprintMismatch, AlreadyExists: one clear reason;
            nothing is left behind.
    """
    with staging:
        staged = staging.finish()
        last_call()
        return register(depot, staging, staged, wishes)
