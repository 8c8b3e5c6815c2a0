"""A page opened in headless Chromium, driven over the pipe of its DevTools protocol: nothing but the browser is needed."""

import base64
import json
import os
import subprocess
import tempfile


class Page:
    """One page from a file; every request that leaves the file is noted in `requests`, every message in `messages`."""

    def __init__(self, program, path):
        self.profile = tempfile.TemporaryDirectory()
        here, theirs = os.pipe(), os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
        command = (
            f'exec "$0" --headless --no-sandbox --disable-gpu --window-size=1280,900 --user-data-dir="$1" '
            f"--remote-debugging-pipe about:blank 3<&{here[0]} 4>&{theirs[1]}"
        )
        self.process = subprocess.Popen(
            ["bash", "-c", command, program, self.profile.name],
            pass_fds=(here[0], theirs[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(here[0])
        os.close(theirs[1])
        self.commands, self.answers = os.fdopen(here[1], "wb"), os.fdopen(theirs[0], "rb")
        self.rest, self.number, self.session = b"", 0, None
        self.requests, self.messages, self.seen = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=f"file://{os.path.abspath(path)}")
        while "Page.loadEventFired" not in self.seen:
            self.take(self.read())

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.answers.fileno(), 1 << 20)
            if not more:
                raise SystemExit("the browser has ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def take(self, message):
        method, values = message.get("method"), message.get("params", {})
        self.seen.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        if method == "Log.entryAdded":
            self.messages.append(values["entry"]["text"])
        if method == "Runtime.exceptionThrown":
            self.messages.append(values["exceptionDetails"]["text"])

    def call(self, method, **values):
        self.number += 1
        message = {"id": self.number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.take(answer)

    def value(self, expression):
        """What an expression of JavaScript comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait()
        self.profile.cleanup()
