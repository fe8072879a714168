"""What DataCite wants to know of a result (metadata kernel 4), and the terms of techniques.

DataCite's own schema lets empty creators and publishers pass; here they are refused. Terms are of PaNET,
the ontology of photon and neutron techniques (Collins et al., doi:10.5281/zenodo.4806026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scatterflow.errors import UserError

SCHEMA_VERSION = "http://datacite.org/schema/kernel-4"
PANET = "http://purl.org/pan-science/PaNET/"
SCATTERING = ("X-ray scattering", "PaNET01184")
SMALL_ANGLE = ("small angle X-ray scattering", "PaNET01188")
WIDE_ANGLE = ("wide angle X-ray scattering", "PaNET01191")
PHOTON_CORRELATION = ("X-ray photon correlation spectroscopy", "PaNET01205")
TIME_DEPENDENT = ("time dependent scattering", "PaNET01263")
SMALL_Q = 0.6
"""1/angstrom, structures of about 10 angstrom: what lies below is called small-angle scattering."""


def technique_terms(technique: str, q_range: tuple[float, float] | None) -> list[tuple[str, str]]:
    """(label, term) of a technique, the main one first; q_range (1/angstrom) tells small from wide angles."""
    if technique == "xpcs":
        return [PHOTON_CORRELATION]
    if technique == "shots":
        return [TIME_DEPENDENT, SCATTERING]
    if q_range is None:
        return [SCATTERING]
    low, high = q_range
    if high <= SMALL_Q:
        return [SMALL_ANGLE]
    if low >= SMALL_Q:
        return [WIDE_ANGLE]
    return [SCATTERING, SMALL_ANGLE, WIDE_ANGLE]


def technique_field(technique: str, q_range: tuple[float, float] | None) -> dict[str, str]:
    """The record's field `technique`."""
    label, term = technique_terms(technique, q_range)[0]
    return {"name": technique, "label": label, "term": PANET + term}


def datacite_field(
    identity: str,
    experiment: Mapping[str, Any],
    publication: Mapping[str, Any],
    technique: str,
    *,
    q_range: tuple[float, float] | None,
    collected: tuple[str | None, str | None],
    created: str,
    formats: Iterable[str],
) -> dict[str, Any]:
    """The record's field `datacite`.

    identity: RUN/REDUCTION. experiment, publication: these blocks of the configuration. collected: start and
    end of the run; created: time of the reduction; formats: MIME types.
    Raises UserError, naming the key of the configuration, for a title, publisher or creator that is missing.
    """
    publisher = publication["publisher"] or experiment["facility"]
    _filled(publisher, "experiment.facility", "say who publishes the results")
    _filled(experiment["title"], "experiment.title", "give the experiment a title")
    terms = technique_terms(technique, q_range)
    dates = [{"date": created, "dateType": "Created"}]
    start, end = collected
    if start is not None:
        collected_in = start if end is None or end == start else f"{start}/{end}"
        dates.insert(0, {"date": collected_in, "dateType": "Collected"})
    found = {
        "identifiers": [{"identifier": identity, "identifierType": "local"}],
        "titles": [{"title": f"{experiment['title']}: {identity}"}],
        "creators": _creators(experiment, publication),
        "publisher": publisher,
        "publicationYear": publication["year"] or int(created[:4]),
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": terms[0][0]},
        "dates": dates,
        "formats": sorted(set(formats)),
        "subjects": [
            *(
                {"subject": label, "subjectScheme": "PaNET", "valueUri": PANET + term}
                for label, term in terms
            ),
            *({"subject": keyword} for keyword in publication["keywords"]),
        ],
        "schemaVersion": SCHEMA_VERSION,
    }
    if publication["licence"]:
        found["rightsList"] = [{"rights": publication["licence"]}]
    return found


def _creators(
    experiment: Mapping[str, Any], publication: Mapping[str, Any]
) -> list[dict[str, str]]:
    names = [name.strip() for name in publication["creators"] or experiment["creators"]]
    if not names or not all(names):
        raise UserError(
            "a result cannot be described without the people who made it",
            "key experiment.creators",
            "name at least one person, as they are to be cited: creators: ['Curie, Marie']",
        )
    return [{"name": name} for name in names]


def _filled(text: str, key: str, how: str) -> None:
    if not text.strip():
        raise UserError("a result cannot be described: the text is empty", f"key {key}", how)
