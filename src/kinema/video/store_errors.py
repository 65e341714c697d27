"""What goes wrong between here and an object store, in one line each."""

from __future__ import annotations

from typing import Any

from kinema.errors import DataError, KinemaError


class StoreError(KinemaError):
    """A store that refuses everything: no credentials, no such bucket, access denied. No fault of one object."""


class UnreachableError(StoreError):
    """A store that does not answer."""


class DiskError(StoreError):
    """The disk here cannot take what a store sends. No fault of one object, either."""


class ChangedError(Exception):
    """The object is not the one whose size was asked."""


_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_REFUSED = {
    "NoSuchBucket": "no such bucket; check its name and the endpoint",
    "InvalidBucketName": "not a name that a bucket can have; check it",
    "InvalidAccessKeyId": f"the access key is not known there; {_KEYS}",
    "InvalidClientTokenId": f"the access key is not known there; {_KEYS}",
    "SignatureDoesNotMatch": f"the secret key does not fit the access key; {_KEYS}",
    "AuthorizationHeaderMalformed": "the region is wrong; set AWS_DEFAULT_REGION to the bucket's",
    "PermanentRedirect": "the bucket is in another region; set AWS_DEFAULT_REGION to it",
    "301": "the bucket is in another region; set AWS_DEFAULT_REGION to it",
    "ExpiredToken": "the credentials have expired; log in again",
    "TokenRefreshRequired": "the credentials have expired; log in again",
    "InvalidToken": f"the session token is not valid; {_KEYS}",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
}
# Classes of botocore, by name: it is not imported for a message, and need not be there.
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}
_UNREACHABLE = {
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "ProxyConnectionError",
    "HTTPClientError", "SSLError", "ClientConnectorError", "ClientPayloadError", "FSTimeoutError", "IncompleteReadError",
}  # fmt: skip


def translated(
    error: Exception, address: str, key: str, endpoint: str | None, answered: bool
) -> KinemaError | ChangedError:
    """Return the error of a storage library as one of kinema's.

    `address` is the bucket's, `answered` whether the bucket has answered before: then a refusal is a matter of
    the one object `key`.
    """
    if isinstance(error, KinemaError | ChangedError):
        return error
    name, code = type(error).__name__, _code(error)
    where = f"{address}/{key}" if key else address
    service = f" at {endpoint}" if endpoint else ""
    if code in ("InvalidRange", "416"):
        return ChangedError(where)
    if code in _REFUSED:
        return StoreError(f"{address}{service}: {_REFUSED[code]}")
    if name in _NO_CREDENTIALS:
        mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run aws configure"
        return StoreError(f"{address}: no credentials; {mend}")
    if name == "ProfileNotFound":
        return StoreError(f"{address}: {_line(error)}; correct AWS_PROFILE or run aws configure")
    if code == "InvalidObjectState":
        return DataError(f"{where}: archived, so it cannot be read; restore it in the store first")
    if isinstance(error, FileNotFoundError):
        return DataError(f"{where}: no such object; check the name")
    if isinstance(error, PermissionError):
        # Without the right to list, stores answer so for what is not there, too.
        if answered:
            return DataError(f"{where}: access denied, or no such object; ask its owner for the right to it")
        return StoreError(
            f"{where}: access denied; {_KEYS}, or ask the owner of the bucket for the right to it"
        )
    if name in _UNREACHABLE or isinstance(error, ConnectionError | TimeoutError):
        # "Could not connect to the endpoint URL" says no more, at length.
        why = "" if name == "EndpointConnectionError" else f" ({_line(error)})"
        return UnreachableError(
            f"{address}{service}: cannot be reached{why}; check the network and the endpoint"
        )
    if name == "InvalidEndpoint" or (isinstance(error, ValueError) and "endpoint" in str(error).lower()):
        return StoreError(f"{address}{service}: {_line(error)}; write the endpoint as https://host")
    return StoreError(f"{where}{service}: the store says: {_line(error)}")


def _code(error: BaseException | None) -> str:
    while error is not None:
        response: Any = getattr(error, "response", None)
        if isinstance(response, dict) and "Error" in response:
            return str(response["Error"].get("Code", ""))
        error = error.__cause__ or error.__context__
    return ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
