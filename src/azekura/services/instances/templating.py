"""Image templates of an instance: rendered all first, written after, so that a mistake in one changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from azekura.errors import InvalidRequest
from azekura.formats.metadata_yaml import parse_metadata
from azekura.model.instance import Instance
from azekura.model.metadata import ImageMetadata, TemplateRule
from azekura.services.settings import truth
from azekura.storage.port import MountedRootfs
from azekura.storage.rootfs_files import RootfsFiles
from azekura.templates import TemplateContext, render


@dataclass(frozen=True, slots=True)
class InstanceFiles:
    """The container's own copy of metadata.yaml and templates, kept in the catalog."""

    metadata_yaml: bytes
    templates: Mapping[str, bytes]

    def metadata(self) -> ImageMetadata | None:
        """None for a container that was made without an image."""
        return parse_metadata(self.metadata_yaml) if self.metadata_yaml.strip() else None


@dataclass(frozen=True, slots=True)
class RenderedFile:
    path: str
    content: bytes
    create_only: bool


def render_templates(
    files: InstanceFiles,
    instance: Instance,
    config: Mapping[str, str],
    devices: Mapping[str, Mapping[str, str]],
    triggers: tuple[str, ...],
    now: datetime,
) -> list[RenderedFile]:
    """What the templates of ``triggers`` (in that order) make of the instance; nothing is written.

    Raises:
        InvalidRequest: a template with a mistake: names template, line and reason.
    """
    metadata = files.metadata()
    if metadata is None:
        return []
    rendered = []
    for trigger in triggers:
        for rule in metadata.templates:
            if trigger in rule.when:
                content = render(
                    rule.template,
                    _source(files, rule),
                    TemplateContext(
                        name=instance.name,
                        architecture=instance.architecture,
                        ephemeral=instance.ephemeral,
                        privileged=truth(config.get("security.privileged", "false")),
                        trigger=trigger,
                        path=rule.path,
                        properties=rule.properties,
                        config=config,
                        devices=devices,
                        now=now,
                    ),
                )
                rendered.append(RenderedFile(rule.path, content, rule.create_only))
    return rendered


def _source(files: InstanceFiles, rule: TemplateRule) -> bytes:
    try:
        return files.templates[rule.template]
    except KeyError:
        raise InvalidRequest(
            f'Template "{rule.template[:80]}" for {rule.path[:200]} is not in the image',
            hint="lxc config template list shows the templates of an instance",
        ) from None


def write_templates(rendered: list[RenderedFile], rootfs: MountedRootfs) -> None:
    """Write rendered files into the root file system, each in one step and only below its root.

    Raises:
        InvalidRequest, StorageFailed, NoSpace: a target that can't be written to.
    """
    if not rendered:
        return
    with RootfsFiles(rootfs.path, rootfs.owner_base, rootfs.direct) as files:
        for one in rendered:
            if not (one.create_only and files.exists(one.path)):
                files.write_file(one.path, one.content)
