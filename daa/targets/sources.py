"""Where the files of a target or a data set come from, and what they must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
_CHECKPOINT = re.compile(r"checkpoint|.*\.(index|meta|data-\d{5}-of-\d{5})")


@dataclass(frozen=True)
class Source:
    """Where files come from, and how they are verified.

    Args:
        addresses: {file name: address}. An archive is unpacked, another file is kept as it is.
        hashes: {file name: published hash}: sha256, or "md5:..." where only that is published. Of a
            `.gz` file it is the hash of the unpacked content.
        wanted: pattern of the file names that are taken from an archive or a folder.
        names: files that an archive must hold, where its content is known.
        note: what to do where there is no address.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    wanted: re.Pattern[str] = _CHECKPOINT
    names: tuple[str, ...] = ()
    note: str = ""


def archive(address: str, published: str | None = None, **more: Any) -> Source:
    """One archive with the published hash of it; `more` as for `Source`."""
    file = address.rpartition("/")[2].partition("?")[0]
    return Source({file: address}, {file: published} if published else {}, **more)


def packed(root: str, hashes: Mapping[str, str]) -> Source:
    """Files packed with gzip that lie beside each other.

    Args:
        root: address of their folder.
        hashes: {file name without .gz: sha256 of the unpacked file}.
    """
    return Source(
        {f"{name}.gz": f"{root}/{name}.gz" for name in hashes},
        {f"{name}.gz": published for name, published in hashes.items()},
    )


# The networks that this project trained in the place of ones that can't be committed.
SURROGATE = Source(
    note="a source checkout of this project has the weights in FOLDER/weights/surrogate"
)
