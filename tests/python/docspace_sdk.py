"""The official client library of DocSpace against this server, as a person would use it.

Arguments: the address of the server. There are the users `alice` (an editor), `bob` (an editor)
and `admin`; their passwords are the name and `-password`.
"""

import sys
import warnings

warnings.filterwarnings("ignore", category=UserWarning)

import docspace_api_sdk as sdk
from docspace_api_sdk.exceptions import (
    BadRequestException,
    ForbiddenException,
    NotFoundException,
    ServiceException,
    UnauthorizedException,
)

HOST = sys.argv[1]


class Person:
    """Somebody who signs in by the library and has its groups of calls."""

    def __init__(self, name):
        anonymous = sdk.ApiClient(sdk.Configuration(host=HOST))
        request = sdk.AuthRequestsDto(userName=name, password=f"{name}-password")
        session = sdk.AuthenticationApi(anonymous).authenticate_me(request).response
        assert session.token.startswith("at-"), session.token
        assert session.expires.tzinfo is not None, session.expires
        self.token = session.token
        client = sdk.ApiClient(sdk.Configuration(host=HOST, access_token=session.token))
        # The library sends no credentials with some calls (get_file_info, update_file,
        # get_folder_by_folder_id, …), so that every call gets them here.
        client.set_default_header("Authorization", f"Bearer {session.token}")
        self.files = sdk.FilesApi(client)
        self.folders = sdk.FoldersApi(client)
        self.operations = sdk.OperationsApi(client)
        self.sharing = sdk.SharingApi(client)
        self.people = sdk.ProfilesApi(client)
        self.session = sdk.AuthenticationApi(client)

    def lock(self, file_id, locked):
        wanted = sdk.LockFileParameters(lockFile=locked)
        return self.files.lock_file(file_id, wanted).response


def refused(exception, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except exception as error:
        return error.body
    raise AssertionError(f"{call.__name__} was not refused with {exception.__name__}")


def sign_in():
    request = sdk.AuthRequestsDto(userName="alice", password="wrong")
    api = sdk.AuthenticationApi(sdk.ApiClient(sdk.Configuration(host=HOST)))
    refused(UnauthorizedException, api.authenticate_me, request)
    assert api.get_is_authentificated().response is False
    people = sdk.ProfilesApi(sdk.ApiClient(sdk.Configuration(host=HOST)))
    refused(UnauthorizedException, people.get_self_profile)


def folders_and_upload(alice):
    mine = alice.folders.get_my_folder().response
    root = mine.current.id
    assert mine.current.root_folder_type == 5
    assert [part["title"] for part in mine.path_parts] == ["Documents"]
    roots = alice.folders.get_root_folders().response
    assert [section.current.id for section in roots] == [root]

    plans = alice.folders.create_folder(root, sdk.CreateFolder(title="plans")).response
    assert (plans.title, plans.parent_id, plans.file_entry_type) == ("plans", root, 1)
    info = alice.folders.get_folder_info(plans.id).response
    assert info.created_by.display_name == "alice"

    uploaded = alice.folders.upload_file(plans.id, file=("plan.docx", b"first"))
    [file] = uploaded.response
    assert (file.title, file.version, file.folder_id) == ("plan.docx", 1, plans.id)
    assert (file.pure_content_length, file.content_length) == (5, "5 bytes")
    assert (file.file_type, file.file_exst, file.file_entry_type) == (7, ".docx", 2)
    assert file.locked is None and file.locked_by is None
    assert file.security.edit and file.security.lock and file.security.rename

    listed = alice.folders.get_folder_by_folder_id(plans.id, count=1, start_index=0).response
    assert (listed.total, listed.count, listed.start_index) == (1, 1, 0)
    assert [entry.title for entry in listed.files] == ["plan.docx"]
    none = alice.folders.get_folder_by_folder_id(plans.id, filter_value="nothing").response
    assert (none.total, none.files) == (0, [])
    return plans.id, file.id


def locking(alice, bob, admin, file_id):
    mine = alice.lock(file_id, True)
    assert mine.locked is True and mine.locked_by is None
    assert mine.security.edit and not mine.security.rename
    assert alice.lock(file_id, True).locked is True

    seen = bob.files.get_file_info(file_id).response
    assert seen.locked is True and seen.locked_by == "alice"
    allowed = {name for name, may in seen.security.to_dict().items() if may}
    assert allowed == {"Read", "ReadHistory", "Copy", "Duplicate", "Download"}, allowed
    for locked in (True, False):
        body = refused(ForbiddenException, bob.lock, file_id, locked)
        assert "checked out by alice" in body, body
    refused(ForbiddenException, bob.files.update_file, file_id, sdk.UpdateFile(title="mine"))
    refused(ForbiddenException, bob.files.delete_file, file_id, sdk.Delete())
    refused(
        ForbiddenException, bob.folders.upload_file, seen.folder_id, file=("plan.docx", b"no")
    )

    # Whoever may release other people's locks locks nothing anew, and unlocks.
    assert admin.lock(file_id, True).locked_by == "alice"
    assert admin.lock(file_id, False).locked is None
    assert admin.files.get_file_info(file_id).response.locked is None
    assert alice.lock(file_id, False).locked is None


def protected_users(alice, file_id):
    others = alice.files.get_protected_file_users(file_id).response
    assert [other.name for other in others] == ["admin", "bob"], others
    assert all(other.has_access for other in others)
    assert others[1].id == str(others[1].user.id)
    body = refused(ForbiddenException, alice.files.get_protected_file_users, 999_999)
    assert "not found" in body, body


def versions(alice, bob, folder_id, file_id):
    renamed = alice.files.update_file(file_id, sdk.UpdateFile(title="report")).response
    assert renamed.title == "report.docx"
    [second] = bob.folders.upload_file(folder_id, file=("report.docx", b"second")).response
    assert (second.id, second.version) == (file_id, 2)
    assert second.updated_by.display_name == "bob"

    history = alice.files.get_file_version_info(file_id).response
    assert [(old.version, old.pure_content_length) for old in history] == [(2, 6), (1, 5)]
    first = alice.files.get_file_info(file_id, version=1).response
    assert (first.version, first.pure_content_length) == (1, 5)
    assert first.updated_by.display_name == "alice"

    edits = alice.files.restore_file_version(file_id, version=1).response
    assert [edit.version for edit in edits] == [3, 2, 1]
    assert alice.files.get_file_info(file_id).response.pure_content_length == 5
    again = alice.files.update_file(file_id, sdk.UpdateFile(lastVersion=2)).response
    assert (again.version, again.pure_content_length) == (4, 6)
    refused(NotFoundException, alice.files.restore_file_version, file_id, version=77)


def comments(alice, bob, file_id):
    def comment(person, version, text):
        wanted = sdk.UpdateComment(version=version, comment=text)
        return person.operations.update_file_comment(file_id, wanted).response

    assert comment(bob, 2, "sent to the printer") == "sent to the printer"
    history = alice.files.get_file_version_info(file_id).response
    told = [(old.version, old.version_group, old.comment) for old in history]
    assert told == [(4, 4, None), (3, 3, None), (2, 2, "sent to the printer"), (1, 1, None)], told
    assert alice.files.get_file_info(file_id, version=2).response.comment == told[2][2]

    alice.lock(file_id, True)
    wanted = sdk.UpdateComment(version=2, comment="mine")
    body = refused(ForbiddenException, bob.operations.update_file_comment, file_id, wanted)
    assert "checked out by alice" in body, body
    body = refused(ForbiddenException, bob.files.restore_file_version, file_id, version=2)
    assert "checked out by alice" in body, body
    edits = alice.files.restore_file_version(file_id, version=2).response
    assert [edit.version for edit in edits] == [5, 4, 3, 2, 1]
    assert comment(alice, 2, "") == ""
    alice.lock(file_id, False)
    assert alice.files.get_file_info(file_id, version=2).response.comment is None
    refused(NotFoundException, alice.operations.update_file_comment, file_id,
            sdk.UpdateComment(version=77, comment="x"))


def shares(admin, bob, folder_id, file_id):
    [everyone] = admin.sharing.get_file_security_info(file_id).response
    assert everyone.access == 11 and everyone.shared_to_group.is_system
    assert everyone.is_locked and not everyone.can_edit_access

    me = bob.people.get_self_profile().response
    reader = sdk.FileShareParams(shareTo=me.id, access=2)
    wanted = sdk.SecurityInfoSimpleRequestDto(share=[reader], notify=False)
    told = admin.sharing.set_folder_security_info(folder_id, wanted).response
    given = [share for share in told if share.shared_to_user]
    assert [(share.access, share.shared_to_user.id) for share in given] == [(2, me.id)]
    assert bob.files.get_file_info(file_id).response.access == 2
    body = refused(ForbiddenException, bob.lock, file_id, True)
    assert "do not have enough permissions to edit the file" in body, body
    refused(ForbiddenException, bob.sharing.set_folder_security_info, folder_id, wanted)

    wanted.share[0].access = 3
    admin.sharing.set_folder_security_info(folder_id, wanted)
    refused(NotFoundException, bob.files.get_file_info, file_id)
    wanted.share[0].access = 0
    admin.sharing.set_folder_security_info(folder_id, wanted)
    assert bob.files.get_file_info(file_id).response.access == 11


def people(alice):
    me = alice.people.get_self_profile().response
    assert me.user_name == "alice" and not me.is_admin
    assert alice.people.get_profile_by_user_id(str(me.id)).response.id == me.id
    everybody = alice.people.get_all_profiles().response
    assert [person.user_name for person in everybody] == ["admin", "alice", "bob"]
    assert alice.session.get_is_authentificated().response is True
    unknown = "00000000-0000-4000-8000-000000000000"
    refused(NotFoundException, alice.people.get_profile_by_user_id, unknown)


def batches(alice, folder_id, file_id):
    root = alice.folders.get_my_folder().response.current.id
    wanted = sdk.BatchRequestDto(
        fileIds=[sdk.BatchRequestDtoAllOfFileIds(file_id)],
        destFolderId=sdk.BatchRequestDtoAllOfDestFolderId(root),
        conflictResolveType=sdk.FileConflictResolveType.SKIP,
    )
    [copied] = alice.operations.copy_batch_items(wanted).response
    assert copied.finished and copied.progress == 100 and copied.error == "", copied
    [moved] = alice.operations.move_batch_items(wanted).response
    assert moved.processed == "0", "the copy was in the way, and was left"
    wanted.conflict_resolve_type = sdk.FileConflictResolveType.OVERWRITE
    [moved] = alice.operations.move_batch_items(wanted).response
    assert (moved.processed, moved.error) == ("1", "")
    refused(NotFoundException, alice.files.get_file_info, file_id)
    assert alice.operations.get_operation_statuses().response == []

    renamed = alice.folders.rename_folder(folder_id, sdk.CreateFolder(title="old")).response
    assert renamed.title == "old"
    [deleted] = alice.folders.delete_folder(folder_id, sdk.DeleteFolder()).response
    assert deleted.finished and deleted.operation == sdk.FileOperationType.Delete
    refused(NotFoundException, alice.folders.get_folder_info, folder_id)


def refusals(alice, file_id):
    refused(BadRequestException, alice.files.update_file, file_id, sdk.UpdateFile(title="a/b"))
    refused(ServiceException, alice.folders.get_trash_folder)


def main():
    sign_in()
    alice, bob, admin = Person("alice"), Person("bob"), Person("admin")
    folder_id, file_id = folders_and_upload(alice)
    locking(alice, bob, admin, file_id)
    protected_users(alice, file_id)
    versions(alice, bob, folder_id, file_id)
    comments(alice, bob, file_id)
    shares(admin, bob, folder_id, file_id)
    people(alice)
    refusals(alice, file_id)
    batches(alice, folder_id, file_id)
    print("all calls answered as they should")


if __name__ == "__main__":
    main()
