"""What schemathesis is told about this server: where its own ways would try the server's patience
instead of its answers, which steps follow one another, and which 5xx are of the contract.
"""

import base64
import itertools
import os
import tomllib

import schemathesis
from requests.adapters import HTTPAdapter
from schemathesis.openapi.checks import RejectedPositiveData
from urllib3.util import connection

# The ErrorCodes with which 500 is meant.
ALLOWED = os.environ["LOCKKEEPER_FUZZ_ALLOWED"].split()
NUMBERS = itertools.count()
with open("schemathesis.toml", "rb") as file:
    CONFIGURATION = tomllib.load(file)


@schemathesis.check
def server_error_of_the_contract(ctx, response, case):
    """The check-out API says with 500 that locks are in conflict. Nothing else is 5xx."""
    if response.status_code >= 500:
        code = response.json().get("ErrorCode")
        assert response.status_code == 500 and str(code) in ALLOWED, response.text


# What a schema cannot tell, or only in a way that no reader of it would thank us for.
UNDERSTOOD = [
    # A folder's id from a file's, and whose password is right.
    "a folder has no content",
    "only files have versions",
    "folderId names a file",
    '"error":"invalid_grant"',
    # One of two has to be there.
    "say which version:",
    "fileIds and folderIds must have 1 to ",
    "each entry of share must have shareTo, or else email",
    "there is not one user with the address",
    "a role can only be granted to a user or group that exists",
    "this is a collection; a file cannot take its place",
    # Spaces alone, and control characters.
    "a label has 1 to ",
    # What is no name, and what cannot be moved.
    '"message":"title: ',
    "the root folder stays where it is",
    # Described for those who look for it: it is always refused.
    "roles are given on folders, and reach the files in them",
    # RFC 6749, 3.2 forbids it for every parameter, known or not.
    '\" twice',
    # A step with an id of the other face.
    "must be 32 hexadecimal digits",
    # An id of an event that is none, and a path that is none.
    "this is no place in the record of events",
    '"detail":"about: ',
    # Control characters in the name of a part.
    "the form cannot be read: failed to read headers",
]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    rejected = isinstance(failure, RejectedPositiveData) and response.status_code == 400
    return not rejected or not any(known in response.text for known in UNDERSTOOD)


create_connection = connection.create_connection
send = HTTPAdapter.send


def connect_from_elsewhere(address, *arguments, **named):
    """Who fails to sign in waits longer each time; that is counted for each address."""
    number = next(NUMBERS)
    source = f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"
    named["source_address"] = (source, 0)
    return create_connection(address, *arguments, **named)


def send_as_somebody_else(self, request, *arguments, **named):
    """It is counted for each name as well. The tool always takes the same wrong one."""
    request.headers["Connection"] = "close"
    if request.headers.get("Authorization", "").startswith("Basic "):
        wrong = base64.b64encode(f"nobody-{next(NUMBERS)}:wrong".encode()).decode()
        request.headers["Authorization"] = f"Basic {wrong}"
    return send(self, request, *arguments, **named)


connection.create_connection = connect_from_elsewhere
HTTPAdapter.send = send_as_somebody_else


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The description itself names no ids and no order of steps."""
    operations = {}
    for path, methods in raw_schema["paths"].items():
        for operation in methods.values():
            operations[operation["operationId"]] = operation
            add_examples(path, operation)
    for source, target, parameters, body in LINKS:
        link = {"operationId": target, "parameters": parameters}
        if body:
            link["requestBody"] = body
        success = operations[source]["responses"].get("200", {})
        links = success.setdefault("links", {})
        links[f"{target}_{len(links)}"] = link


def add_examples(path, operation):
    """The coverage phase takes its good values from the examples alone."""
    for parameter in operation.get("parameters", []):
        dictionary = dictionary_of(path, operation, parameter)
        if dictionary:
            values = CONFIGURATION["dictionaries"][dictionary]["values"]
            parameter["examples"] = {str(value): {"value": value} for value in values[:3]}


def dictionary_of(path, operation, parameter):
    bindings = dict(CONFIGURATION["parameters"])
    for rule in CONFIGURATION["operations"]:
        by_path = rule.get("include-path-regex", "^$").removeprefix("^")
        by_name = rule.get("include-operation-id", [])
        if (by_path != "$" and path.startswith(by_path)) or operation["operationId"] in by_name:
            bindings |= rule["parameters"]
    place = f"{parameter['in']}.{parameter['name']}"
    return bindings.get(place, {}).get("dictionary")


SAME_INODE = {"projectId": "$request.path.projectId", "inodeId": "$request.path.inodeId"}
SAME_VERSION = SAME_INODE | {"number": "$request.path.number"}
SAME_LOCK = {"lockId": "$response.body#/Result/lockId"}
LINKS = [
    ("Project_CheckOut", "Project_GetLock", SAME_INODE, None),
    ("Project_CheckOut", "Project_CheckIn", SAME_INODE, None),
    ("Project_CheckOut", "Project_CheckIn", SAME_INODE, SAME_LOCK),
    ("Project_CheckOut", "Project_StealLock", SAME_INODE, SAME_LOCK),
    ("Project_CheckOut", "Project_RefreshLock", SAME_INODE, SAME_LOCK),
    ("Project_RefreshLock", "Project_CheckIn", SAME_INODE, SAME_LOCK),
    ("Project_StealLock", "Project_CheckIn", SAME_INODE, SAME_LOCK),
    ("Project_StealLock", "Project_StealLock", SAME_INODE, SAME_LOCK),
    ("Project_CheckIn", "Project_CheckIn", SAME_INODE, SAME_LOCK),
    ("Project_CheckIn", "Project_CheckOut", SAME_INODE, None),
    ("Project_GetLock", "Project_RefreshLock", SAME_INODE, SAME_LOCK),
    ("Project_GetInode", "Project_CheckOut", SAME_INODE, None),
    (
        "Project_GetInode",
        "Project_UploadNewVersion",
        SAME_INODE | {"folderId": "$response.body#/Result/folderId"},
        None,
    ),
    ("Project_UploadNewVersion", "Project_Download", SAME_INODE, None),
    (
        "Project_UploadNewVersion",
        "Project_GetVersion",
        SAME_INODE | {"number": "$response.body#/Result/version"},
        None,
    ),
    ("Project_RestoreVersion", "Project_ListVersions", SAME_INODE, None),
    ("Project_LabelVersion", "Project_GetVersion", SAME_VERSION, None),
    ("Project_LabelVersion", "Project_LabelVersion", SAME_VERSION, {"label": None}),
    ("Project_GetVersion", "Project_DownloadVersion", SAME_VERSION, None),
    ("Project_GetVersion", "Project_RestoreVersion", SAME_VERSION, None),
    (
        "Token",
        "Token",
        {},
        {"grant_type": "refresh_token", "refresh_token": "$response.body#/refresh_token"},
    ),
]
