from __future__ import annotations

import random

from azekura.remotes.policy import DownloadPolicy


def test_pauses_double_up_to_a_limit_with_half_left_to_chance() -> None:
    policy = DownloadPolicy(backoff=1.0, backoff_limit=10.0, jitter=random.Random(1).random)
    pauses = [policy.pause(failure) for failure in range(1, 8)]
    for pause, full in zip(pauses, (1, 2, 4, 8, 10, 10, 10), strict=True):
        assert full / 2 <= pause <= full
    assert len(set(pauses)) == len(pauses)
    assert policy.pause(10_000) <= 10


def test_a_server_may_ask_for_more_time_but_not_for_ever() -> None:
    policy = DownloadPolicy(backoff=1.0, backoff_limit=10.0)
    assert policy.pause(1, 7.0) == 7.0
    assert policy.pause(1, 3600.0) == 10.0
