"""Masks in the registry: False = masked, True = good, as bool arrays of the detector's shape.

Reasons, if given, are bits of a NeXus pixel_mask (`objects.REASONS`); a pixel is good if none of the
lower 16 is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.checksums import mask_sha256
from scatterflow.registry import objects, records
from scatterflow.registry.objects import REASONS
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import Record
from scatterflow.registry.versions import (
    RegistryLike,
    delete,
    find,
    get_record,
    register,
)

if TYPE_CHECKING:
    import dask.array

# Arguments of `register_mask` that are no metadata.
_OPTIONS = (
    *("orientation", "valid_from", "valid_to", "energy_from_keV", "energy_to_keV", "comment"),
    *("source", "recipe", "expected_version"),
)
Wanted = str | tuple[str, int | None]


def register_mask(
    detector: str,
    name: str,
    mask: np.ndarray,
    *,
    reasons: np.ndarray | None = None,
    reason: str = "user",
    kind: str = "mask",
    registry: RegistryLike = None,
    **metadata: Any,
) -> Record:
    """Register a mask as the next version of (detector, name).

    mask: bool (rows, columns), False = masked; the detector's first mask states the shape that all
    later ones must have. reasons: uint32 of the same shape, bits of a pixel_mask; left out: every masked
    pixel has the `reason` (a name of `REASONS`). kind: `mask`, or `proposal` for one that waits to be
    accepted. metadata: orientation, valid_from, valid_to, energy_from_keV, energy_to_keV, comment,
    source, recipe and expected_version mean what they do for `register`; all else is free metadata.

    Raises UserError for another type or shape, for a mask without a good pixel, for names and metadata
    that cannot be kept, and if expected_version is no longer the last one. Nothing is stored then.
    """
    store = open_registry(registry)
    records.named(kind, detector, name, str(store))
    where = f"{kind} {detector}/{name}"
    good = _checked(mask, where)
    bits = _checked_reasons(good, reasons, reason, where)
    options = {key: metadata.pop(key) for key in _OPTIONS if key in metadata}
    records.checked_metadata(metadata)
    stated = store.shape(detector)
    if stated is not None and stated != good.shape:
        raise _wrong_shape(good.shape, stated, where)
    content = objects.encode_mask(good, bits)
    store.state_shape(detector, good.shape)
    return register(
        kind,
        detector,
        name,
        content,
        shape=good.shape,
        summary={
            "good_sha256": mask_sha256(good),
            "masked_pixels": int(good.size - np.count_nonzero(good)),
            "reasons": objects.count_reasons(content),
        },
        metadata=metadata,
        registry=store,
        **options,
    )


def _checked(mask: Any, where: str) -> np.ndarray:
    if isinstance(mask, np.ma.MaskedArray):
        raise UserError(
            "a masked array holds two masks", where, "give ~array.mask, or what its values say"
        )
    good = np.asarray(mask)
    if good.dtype != bool:
        raise UserError(
            f"the mask holds {good.dtype}, not bool",
            where,
            "nothing tells whether 1 is good or masked: give `array == 1` or `array == 0`, with "
            "False = masked; files in other conventions are for `registry import`",
        )
    if good.ndim != 2 or not good.size:
        raise UserError(
            f"the mask has shape {good.shape}", where, "it must be (rows, columns) of the detector"
        )
    if not good.any():
        raise UserError(
            "the mask leaves no good pixel", where, "False = masked: it may be inverted"
        )
    return good


def _checked_reasons(
    good: np.ndarray, reasons: np.ndarray | None, reason: str, where: str
) -> np.ndarray | int:
    if reasons is None:
        if reason not in REASONS:
            raise UserError(
                f"reason {reason!r} is unknown", where, f"reasons are {', '.join(REASONS)}"
            )
        return REASONS[reason]
    reasons = np.asarray(reasons)
    if reasons.dtype != np.uint32 or reasons.shape != good.shape:
        raise UserError(
            f"the reasons are {reasons.dtype} {reasons.shape}",
            where,
            f"they must be uint32 {good.shape}",
        )
    if not np.array_equal(good, (reasons & objects.REASON_BITS) == 0):
        raise UserError(
            "mask and reasons contradict",
            where,
            "a pixel is masked if, and only if, one of its reasons' lower 16 bits is set",
        )
    return reasons


def _wrong_shape(found: tuple[int, ...], stated: tuple[int, ...], where: str) -> UserError:
    hint = "it must have the shape of the detector's frames, (rows, columns)"
    if found == stated[::-1]:
        hint = "rows and columns look swapped: transpose the mask"
    return UserError(
        f"the mask is {found[0]} x {found[1]} pixels, the detector's frames "
        f"{stated[0]} x {stated[1]}",
        where,
        hint,
    )


# Getting ------------------------------------------------------------------------------------------


def get_masks(
    detector: str | None = None,
    name: str | None = None,
    *,
    registry: RegistryLike = None,
    **metadata: Any,
) -> list[Record]:
    """The newest version of every mask, of one detector or name, with this metadata (see `find`)."""
    return find(detector, name, kind="mask", registry=registry, **metadata)


def get_mask(
    detector: str,
    name: str,
    version: int | None = None,
    *,
    at: str | datetime | None = None,
    energy_keV: float | None = None,
    registry: RegistryLike = None,
) -> dask.array.Array:
    """A mask as a lazy dask array: bool (rows, columns), False = masked; `.compute()` loads it.

    version: None for the newest (valid `at` a time and at an energy, if given). The array has the
    attributes `uid`, `version`, `sha256` and `record`. What is loaded is verified against sha256.
    """
    store = open_registry(registry)
    record = get_record(
        "mask", detector, name, version, at=at, energy_keV=energy_keV, registry=store
    )
    return lazy_mask(store, record)


def get_mask_by_uid(uid: str, *, registry: RegistryLike = None) -> dask.array.Array:
    """The mask with this uid, as `get_mask` gives it."""
    store = open_registry(registry)
    for record in find(kind="mask", all_versions=True, registry=store):
        if record.uid == uid:
            return lazy_mask(store, record)
    raise UserError(f"no mask has the uid {uid!r}", str(store), "list them with `registry list`")


def lazy_mask(store: Any, record: Record) -> dask.array.Array:
    """A record's mask as a dask array of one chunk; its name is its checksum."""
    import dask.array
    from dask.highlevelgraph import HighLevelGraph

    name = f"mask-{record.sha256}"
    task = (load_good, store, record.sha256, record.title)
    graph = HighLevelGraph.from_collections(name, {(name, 0, 0): task})
    chunks = [(size,) for size in record.shape or ()]
    array: Any = dask.array.Array(graph, name, chunks, dtype=bool)
    array.record, array.uid = record, record.uid
    array.version, array.sha256 = record.version, record.sha256
    return array


def load_good(where: RegistryLike, sha256: str, title: str = "a mask") -> np.ndarray:
    """The good pixels of an object, verified: bool (rows, columns)."""
    return objects.decode_good(open_registry(where).read_object(sha256, title))


def load_mask(record: Record, *, registry: RegistryLike = None) -> tuple[np.ndarray, np.ndarray]:
    """Good pixels (bool) and reasons (uint32) of a record, verified, without dask."""
    content = open_registry(registry).read(record)
    return objects.decode_good(content), objects.decode_reasons(content)


def get_mask_uid(
    detector: str, name: str, version: int | None = None, *, registry: RegistryLike = None
) -> str:
    """The uid of a mask's version; None: of the newest."""
    return get_record("mask", detector, name, version, registry=registry).uid


def get_composite_mask(
    detector: str, names: Sequence[Wanted], *, registry: RegistryLike = None
) -> dask.array.Array:
    """Several masks of a detector as one lazy array: a pixel is good if it is good in all of them.

    names: names, or (name, version). The array has the attribute `members`: kind, detector, name,
    version, uid and sha256 of each, in this order.
    """
    store = open_registry(registry)
    members = _members(detector, names, store)
    array: Any = lazy_mask(store, members[0])
    for record in members[1:]:
        array = array & lazy_mask(store, record)
    array.members = [record.identity for record in members]
    return array


def register_composite(
    detector: str,
    name: str,
    names: Sequence[Wanted],
    *,
    registry: RegistryLike = None,
    **metadata: Any,
) -> Record:
    """Register the AND of several masks, with their reasons, as a mask whose recipe names them.

    Unless `metadata` says otherwise it fits the frames of its members' orientation, and is valid where all of
    them are.
    """
    store = open_registry(registry)
    members = _members(detector, names, store)
    reasons = np.zeros(members[0].shape or (), np.uint32)
    for record in members:
        reasons |= load_mask(record, registry=store)[1]
    return register_mask(
        detector,
        name,
        (reasons & objects.REASON_BITS) == 0,
        reasons=reasons,
        recipe={"operation": "and", "members": [record.identity for record in members]},
        registry=store,
        **{**_common_limits(members), **metadata},
    )


def _common_limits(members: list[Record]) -> dict[str, Any]:
    """Orientation of all members, and the times and energies at which all of them are valid."""
    found: dict[str, Any] = {}
    for key, choose in (
        ("orientation", max),  # they agree
        *(("valid_from", max), ("energy_from_keV", max)),
        *(("valid_to", min), ("energy_to_keV", min)),
    ):
        stated = [value for record in members if (value := getattr(record, key)) is not None]
        if stated:  # times are all UTC in one form, so that their texts sort as they do
            found[key] = choose(stated)
    return found


def _members(detector: str, names: Sequence[Wanted], store: Any) -> list[Record]:
    if isinstance(names, str) or not names:
        raise UserError(
            "a composite mask needs a list of names",
            f"masks of detector {detector}",
            'give ["beamstop", "hot"], or ("beamstop", 3) for a version',
        )
    wanted = [(item, None) if isinstance(item, str) else item for item in names]
    members = [get_record("mask", detector, *item, registry=store) for item in wanted]
    for record in members:
        if record.shape != members[0].shape:
            raise _wrong_shape(record.shape or (), members[0].shape or (), record.title)
    orientations = {record.orientation for record in members if record.orientation is not None}
    if len(orientations) > 1:
        raise UserError(
            f"the masks fit frames of the orientations {' and '.join(map(str, sorted(orientations)))}",
            f"masks of detector {detector}: {', '.join(record.name for record in members)}",
            "register them for one orientation",
        )
    return members


def delete_mask(
    detector: str,
    name: str,
    version: int | None = None,
    *,
    comment: str = "",
    registry: RegistryLike = None,
) -> Record:
    """Delete a mask's version, or (None) all of them; see `delete`."""
    return delete("mask", detector, name, version, comment=comment, registry=registry)


def accept(
    detector: str,
    name: str,
    version: int | None = None,
    *,
    comment: str = "",
    registry: RegistryLike = None,
    expected_version: int | None = None,
) -> Record:
    """Make a proposal (None: its newest version) the next version of the mask of that name."""
    store = open_registry(registry)
    proposal = get_record("proposal", detector, name, version, registry=store)
    return register(
        "mask",
        detector,
        name,
        store.read(proposal),
        shape=proposal.shape,
        orientation=proposal.orientation,
        valid_from=proposal.valid_from,
        valid_to=proposal.valid_to,
        energy_from_keV=proposal.energy_from_keV,
        energy_to_keV=proposal.energy_to_keV,
        comment=comment or proposal.comment,
        summary=proposal.summary,
        source={**(proposal.source or {}), "accepted": proposal.identity},
        recipe=proposal.recipe,
        metadata=proposal.metadata,
        expected_version=expected_version,
        registry=store,
    )
