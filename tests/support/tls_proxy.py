"""The way out to the Hub for clients that know it by its name: a proxy, and an authority for its certificate."""

from __future__ import annotations

import socketserver
import ssl
import threading
from pathlib import Path

import trustme

from support.hub_http import Handler
from support.hub_server import Hub

HOST = "huggingface.co"


class Outside(socketserver.ThreadingTCPServer):
    """A proxy of HTTP behind which `https://huggingface.co`, and any other host, is a stand-in Hub.

    Args:
        hub: who answers.
        folder: where the certificate of the authority is put.
    """

    daemon_threads = True

    def __init__(self, hub: Hub, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.hub = hub
        self.asked: list[str] = []
        """Host and port of every connection."""
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self.tls)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.env = {
            "HTTPS_PROXY": self.url,
            "NO_PROXY": "",
            "no_proxy": "",
            "SSL_CERT_FILE": str(self.authority),
        }
        """For a process that is to go this way."""
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self._thread.join(10)
        super().__exit__(*args)


class _Tunnel(socketserver.StreamRequestHandler):
    server: Outside

    def handle(self) -> None:
        method, host, _ = self.rfile.readline().decode().split()
        assert method == "CONNECT"
        self.server.asked.append(host)
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self.server.tls.wrap_socket(self.connection, server_side=True) as inside:
            Handler(inside, self.client_address, self.server.hub.server)

    # what the client says next is not ours to read ahead: it speaks TLS
    rbufsize = 0
