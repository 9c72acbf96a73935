"""Drives a headless LibreOffice through UNO, one step for each line on standard input.

Steps: `create URL`, `open URL`, `append TEXT`, `save`, `close`, `read`. Each is answered by one
line: `ok` and what was seen, or `failed` and why. The end of the input ends LibreOffice too.
Arguments: the pipe's name, the user, the password. Run by libreoffice.rs.
"""

import os
import sys
import time

import uno
import unohelper
from com.sun.star.beans import PropertyValue
from com.sun.star.task import XInteractionHandler2

SECONDS_TO_START_MAX = 90


class Person(unohelper.Base, XInteractionHandler2):
    """Answers LibreOffice's questions: signs in, and opens read-only what somebody else holds."""

    def __init__(self, user, password):
        self.user, self.password = user, password

    def handle(self, request):
        self.handleInteractionRequest(request)

    def handleInteractionRequest(self, request):
        # getRequest() raises SystemError in Python 3.11; the answers on offer tell the question.
        answers = request.getContinuations()
        for kind in ("ucb.XInteractionSupplyAuthentication2", "task.XInteractionApprove",
                     "task.XInteractionAbort"):
            wanted = uno.getTypeByName("com.sun.star." + kind)
            for answer in answers:
                if wanted in answer.getTypes():
                    if kind.startswith("ucb"):
                        answer.setUserName(self.user)
                        answer.setPassword(self.password)
                    answer.select()
                    return True
        return False


class Office:
    """One LibreOffice process and the document that is open in it."""

    def __init__(self, pipe, user, password):
        self.desktop = connect(pipe)
        self.person = Person(user, password)
        self.document = None

    def properties(self, **values):
        # A URL with a password in it does not sign in, and either handler alone does not either.
        values.update(InteractionHandler=self.person, AuthenticationHandler=self.person)
        return tuple(PropertyValue(Name=name, Value=value) for name, value in values.items())

    def load(self, url):
        self.document = self.desktop.loadComponentFromURL(
            url, "_blank", 0, self.properties(Hidden=True))
        if self.document is None:
            raise RuntimeError("LibreOffice did not open " + url)

    def create(self, url):
        self.load("private:factory/swriter")
        self.document.Text.setString("created")
        self.document.storeAsURL(url, self.properties(FilterName="writer8"))

    def open(self, url):
        self.load(url)
        return "read-only" if self.document.isReadonly() else "editable"

    def append(self, text):
        self.document.Text.insertString(self.document.Text.getEnd(), " " + text, False)

    def save(self):
        self.document.store()

    def read(self):
        return self.document.Text.getString()

    def close(self):
        self.document.close(True)
        self.document = None


def connect(pipe):
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext(
        "com.sun.star.bridge.UnoUrlResolver", local)
    deadline = time.monotonic() + SECONDS_TO_START_MAX
    while True:
        try:
            context = resolver.resolve(
                f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
            return context.ServiceManager.createInstanceWithContext(
                "com.sun.star.frame.Desktop", context)
        except Exception:  # NoConnectException, until LibreOffice listens
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main():
    office = Office(*sys.argv[1:])
    for line in sys.stdin:
        step, *arguments = line.rstrip("\n").split(" ", 1)
        try:
            print("ok", getattr(office, step)(*arguments) or "", flush=True)
        except Exception as error:
            print("failed", type(error).__name__, str(error).replace("\n", " "), flush=True)
    try:
        office.desktop.terminate()
    except Exception:  # the connection ends before the answer comes
        pass
    # Python's own way out releases objects of the LibreOffice that is ending, and has ended in a
    # failure after every step was answered.
    os._exit(0)


main()
