from __future__ import annotations

import pytest
from tests.fakes.tls_identity import Identity, make_identity


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """The certificate of every server here."""
    return make_identity(tmp_path_factory.mktemp("identity"))
