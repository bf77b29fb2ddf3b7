"""One transaction: the catalog's tables by what they hold."""

from __future__ import annotations

from azekura.catalog.aliases import Aliases
from azekura.catalog.blob_references import Blobs
from azekura.catalog.certificates import Certificates
from azekura.catalog.events import Events
from azekura.catalog.image_secrets import ImageSecrets
from azekura.catalog.images import Images
from azekura.catalog.instances import Instances
from azekura.catalog.operations import Operations
from azekura.catalog.pools import Pools
from azekura.catalog.profiles import Profiles
from azekura.catalog.session import Session
from azekura.catalog.settings import Settings
from azekura.catalog.tokens import Tokens


class Transaction:
    """Valid inside its ``with`` block only."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def images(self) -> Images:
        return Images(self._session)

    @property
    def aliases(self) -> Aliases:
        return Aliases(self._session)

    @property
    def blobs(self) -> Blobs:
        return Blobs(self._session)

    @property
    def instances(self) -> Instances:
        return Instances(self._session)

    @property
    def profiles(self) -> Profiles:
        return Profiles(self._session)

    @property
    def pools(self) -> Pools:
        return Pools(self._session)

    @property
    def settings(self) -> Settings:
        return Settings(self._session)

    @property
    def certificates(self) -> Certificates:
        return Certificates(self._session)

    @property
    def tokens(self) -> Tokens:
        return Tokens(self._session)

    @property
    def operations(self) -> Operations:
        return Operations(self._session)

    @property
    def events(self) -> Events:
        return Events(self._session)

    @property
    def secrets(self) -> ImageSecrets:
        return ImageSecrets(self._session)
