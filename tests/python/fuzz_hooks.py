"""What schemathesis is told about this server: where its own ways would try the server's patience
instead of its answers, which steps follow one another, and which 5xx are of the contract.
"""

import base64
import itertools
import os
import tomllib

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData
from urllib3.util import connection

# (status, member of the body, its value) of the errors that are meant, as the test allows them.
ALLOWED = os.environ["LOCKKEEPER_FUZZ_ALLOWED"].split()
NUMBERS = itertools.count()


@schemathesis.check
def server_error_of_the_contract(ctx, response, case):
    """The check-out API says conflicts of locks with 500; an operation that is not served is 501."""
    status = response.status_code
    if status < 500:
        return
    code = response.json().get("ErrorCode", "-")
    assert f"{status}/{code}" in ALLOWED, f"{status} with ErrorCode {code}: {response.text}"


# What a schema cannot tell: a folder's id from a file's, and whose password is right.
UNDERSTOOD = ["a folder has no content", "folderId names a file", '"error":"invalid_grant"']


@schemathesis.hook
def filter_failure(context, failure, case, response):
    rejected = isinstance(failure, RejectedPositiveData) and response.status_code == 400
    return not rejected or not any(known in response.text for known in UNDERSTOOD)


create_connection = connection.create_connection


def connect_from_elsewhere(address, *arguments, **named):
    """Who fails to sign in waits longer each time; that is counted for each address."""
    number = next(NUMBERS)
    source = f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"
    named["source_address"] = (source, 0)
    return create_connection(address, *arguments, **named)


connection.create_connection = connect_from_elsewhere


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = dict(case.headers or {})
    # Each request comes from an address of its own.
    headers["Connection"] = "close"
    # Failures are counted for each name as well.
    if headers.get("Authorization", "").startswith("Basic "):
        wrong = base64.b64encode(f"nobody-{next(NUMBERS)}:wrong".encode()).decode()
        headers["Authorization"] = f"Basic {wrong}"
    case.headers = headers


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The description itself names no ids and no order of steps."""
    operations = {}
    for path, methods in raw_schema["paths"].items():
        for operation in methods.values():
            operations[operation["operationId"]] = operation
            add_examples(path, operation.get("parameters", []))
    for source, target, parameters, body in LINKS:
        if source in operations and target in operations:
            link = {"operationId": target, "parameters": parameters}
            if body:
                link["requestBody"] = body
            links = operations[source]["responses"]["200"].setdefault("links", {})
            links[f"{target}_{len(links)}"] = link


def add_examples(path, parameters):
    with open("schemathesis.toml", "rb") as file:
        config = tomllib.load(file)
    bindings = dict(config["parameters"])
    for rule in config.get("operations", []):
        if path.startswith(rule["include-path-regex"].removeprefix("^")):
            bindings |= rule["parameters"]
    for parameter in parameters:
        binding = bindings.get(f"path.{parameter['name']}")
        if parameter["in"] == "path" and binding:
            values = config["dictionaries"][binding["dictionary"]]["values"]
            examples = {str(value): {"value": value} for value in values[:3]}
            parameter["examples"] = examples


SAME_INODE = {"projectId": "$request.path.projectId", "inodeId": "$request.path.inodeId"}
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
        "Token",
        "Token",
        {},
        {"grant_type": "refresh_token", "refresh_token": "$response.body#/refresh_token"},
    ),
]
