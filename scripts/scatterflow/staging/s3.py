"""A place in a bucket of an S3 server, Amazon's or one that speaks the same protocol.

A fetched file is continued by a request of a range (RFC 9110 section 14). A file that is stored goes in
parts (multipart upload), of which those that have arrived are not sent again. Keys, tokens, region and
profile come from the environment and the files of `aws configure`, as botocore looks for them, and from
nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from scatterflow.errors import UserError
from scatterflow.staging.places import ConnectionCutError

AT_ONCE = 8
"""Files on the way at the same time: an answer takes longer than a small file."""
PART_BYTES = 16 << 20
MOST_PARTS = 10_000
"""S3's limit."""
COPIED_IN_PARTS_BYTES = 1 << 30
BLOCK_BYTES = 1 << 20
CONNECT_SECONDS, ANSWER_SECONDS = 30, 45
NOT_THERE = ("404", "NoSuchKey", "NotFound")
NOTHING_LEFT = ("416", "InvalidRange")
PASSING = (
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
)
"""What a server says that will answer later."""
ADVICE = {
    "NoSuchBucket": "correct the name of the bucket, or `staging.s3_endpoint`",
    "PermanentRedirect": "the bucket is elsewhere: set AWS_DEFAULT_REGION or `staging.s3_endpoint`",
}
CREDENTIALS = (
    "keys come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE) or from "
    "`aws configure`, and must allow to list, read and write here"
)

WITHOUT_BOTO3 = (
    "staging from and to S3 needs it: `.venv/bin/python -m pip install boto3`, or with conda "
    "`conda install boto3`"
)

Item = TypeVar("Item")
Result = TypeVar("Result")


class S3Place:
    """See `scatterflow.staging.places.Place`."""

    def __init__(self, name: str, bucket: str, prefix: str, endpoint: str | None) -> None:
        """prefix: folder in the bucket; endpoint: URL of the server, None: as configured for AWS."""
        self.name = name
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._endpoint = endpoint

    def sizes(self, paths: list[str]) -> dict[str, int]:
        with self._connected():
            uploads = self._uploads()
            found = _at_once(lambda path: self._size(path, uploads), paths)
        return {path: size for path, size in zip(paths, found, strict=True) if size is not None}

    def fetch(self, files: dict[str, Path]) -> None:
        with self._connected():
            _at_once(lambda item: self._fetch(*item), files.items())

    def store(self, files: dict[str, Path]) -> None:
        with self._connected():
            uploads = self._uploads()
            _at_once(lambda item: self._store(*item, uploads), files.items())

    def rename(self, names: dict[str, str]) -> None:
        with self._connected():
            _at_once(lambda item: self._rename(*item), names.items())

    def remove(self, paths: list[str]) -> None:
        with self._connected():
            uploads = self._uploads() if paths else {}
            for path in paths:
                self._client.delete_object(**self._at(path))
                if path in uploads:
                    self._client.abort_multipart_upload(**self._at(path), UploadId=uploads[path])

    @cached_property
    def _client(self) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        settings: dict[str, Any] = {}
        if self._endpoint:  # few other servers answer to bucket.host
            settings["s3"] = {"addressing_style": "path"}
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            max_pool_connections=AT_ONCE,
            # A cut transfer goes on where it was, which botocore's own attempts would not.
            retries={"total_max_attempts": 1},
            # Other servers do not know Amazon's newer checksums; every file is verified by its SHA-256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **settings,
        )
        return Session().client("s3", endpoint_url=self._endpoint, config=config)

    def _at(self, path: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{path}" if self._prefix else path}

    # Sizes

    def _size(self, path: str, uploads: dict[str, str]) -> int | None:
        """Of a file that is there, or of the parts of it that are."""
        found = _unless(NOT_THERE, lambda: self._client.head_object(**self._at(path)))
        if found is not None:
            return int(found["ContentLength"])
        if path not in uploads:
            return None
        return sum(part["Size"] for part in self._parts(path, uploads[path]))

    def _uploads(self) -> dict[str, str]:
        """Files that have arrived in part: path, and number of the upload that began last."""
        start = f"{self._prefix}/" if self._prefix else ""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=start
        )
        found = [item for page in pages for item in page.get("Uploads", ())]
        found.sort(key=lambda item: item["Initiated"])
        return {item["Key"].removeprefix(start): item["UploadId"] for item in found}

    def _parts(self, path: str, upload: str) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_parts").paginate(**self._at(path), UploadId=upload)
        return [part for page in pages for part in page.get("Parts", ())]

    # Files

    def _fetch(self, path: str, local: Path) -> None:
        with open(local, "ab") as writer:
            start = writer.tell()
            wanted = {"Range": f"bytes={start}-"} if start else {}  # an empty file has no range
            answer = _unless(
                NOT_THERE + NOTHING_LEFT,
                lambda: self._client.get_object(**self._at(path), **wanted),
            )
            if answer is not None:
                with closing(answer["Body"]) as body:
                    for block in body.iter_chunks(BLOCK_BYTES):
                        writer.write(block)
                writer.flush()
                os.fsync(writer.fileno())
        if answer is None and not start:
            local.unlink()

    def _store(self, path: str, local: Path, uploads: dict[str, str]) -> None:
        size = local.stat().st_size
        there = _unless(NOT_THERE, lambda: self._client.head_object(**self._at(path)))
        if there is not None and there["ContentLength"] >= size:
            return
        if size <= PART_BYTES:
            self._client.put_object(**self._at(path), Body=local.read_bytes())
            return
        upload = uploads.get(path) or self._begin(path)
        arrived = {part["PartNumber"]: part for part in self._parts(path, upload)}
        parts = []
        with open(local, "rb") as reader:
            for number, (start, length) in enumerate(part_ranges(size), start=1):
                part = arrived.get(number)
                if part is None or part["Size"] != length:
                    reader.seek(start)
                    part = self._client.upload_part(
                        **self._at(path),
                        UploadId=upload,
                        PartNumber=number,
                        Body=reader.read(length),
                    )
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self._client.complete_multipart_upload(
            **self._at(path), UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def _begin(self, path: str) -> str:
        return str(self._client.create_multipart_upload(**self._at(path))["UploadId"])

    def _rename(self, old: str, new: str) -> None:
        from boto3.s3.transfer import TransferConfig

        # There is no renaming in S3; the copy is made on the server.
        self._client.copy(
            self._at(old),
            **self._at(new),
            Config=TransferConfig(
                multipart_threshold=COPIED_IN_PARTS_BYTES, multipart_chunksize=COPIED_IN_PARTS_BYTES
            ),
        )
        self._client.delete_object(**self._at(old))

    # Errors

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """What trying again may mend as ConnectionCutError, all else that the server says as UserError."""
        try:
            from boto3.exceptions import Boto3Error
            from botocore import exceptions
            from urllib3.exceptions import HTTPError
        except ImportError:
            raise UserError("boto3 is not installed", self.name, WITHOUT_BOTO3) from None

        try:
            _ = self._client  # made once, before threads share it
            yield
        except exceptions.ClientError as error:
            code = _code(error)
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= 500 or code in PASSING:
                raise ConnectionCutError(f"the server says {code}") from error
            said = error.response["Error"].get("Message") or code
            raise self._refused(f"the server says {code}: {said}", code) from error
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.ConfigNotFound,
            exceptions.ProfileNotFound,
            exceptions.ParamValidationError,
        ) as error:
            raise self._refused(str(error).strip().replace("\n", " ")) from error
        except (exceptions.BotoCoreError, Boto3Error, HTTPError) as error:
            raise ConnectionCutError(str(error)) from error

    def _refused(self, what: str, code: str = "") -> UserError:
        return UserError(what, self.name, ADVICE.get(code, CREDENTIALS))


def part_ranges(size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of the parts in which a file of `size` bytes is stored: the same for each attempt."""
    length = max(PART_BYTES, -(-size // MOST_PARTS))
    for start in range(0, size, length):
        yield start, min(length, size - start)


def _at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What the work returns for each, several at a time; raises its first error, when all have ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, items))


def _unless(codes: tuple[str, ...], ask: Callable[[], Any]) -> Any:
    """The answer; None if the server says one of these."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if _code(error) in codes:
            return None
        raise


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
