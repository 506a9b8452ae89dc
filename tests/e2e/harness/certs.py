# SPDX-License-Identifier: ISC
"""A throw-away certificate authority and the server certificates that the tests need, made with openssl(1)."""

import base64
import json
import os
import ssl
import subprocess
import time

from . import account


def _openssl(*args, **more):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60, **more)


class Authority:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.cert = os.path.join(folder, "ca.pem")
        self._key = os.path.join(folder, "ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", "/CN=Test Authority", "-keyout", self._key, "-out", self.cert)
        os.chmod(self.cert, 0o644)

    def issue(self, *names):
        """(certificate, key) paths for these DNS names or addresses; the first is the CN."""
        stem = os.path.join(self.folder, "+".join(names).replace("*", "any").replace(":", "_"))
        cert, key, request, ext = (stem + end for end in (".pem", ".key", ".csr", ".ext"))
        if not os.path.exists(cert):
            san = ",".join(("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n for n in names)
            with open(ext, "w") as file:
                file.write(f"subjectAltName={san}\n")
            _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
            _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-days", "30",
                     "-extfile", ext, "-out", cert)
            os.chmod(key, 0o600)
            account.give(key)
        return cert, key

    def issue_client(self, mail):
        """(certificate, key) paths of a person: the mail address is its rfc822Name."""
        stem = os.path.join(self.folder, "client-" + mail)
        cert, key, request, ext = (stem + end for end in (".pem", ".key", ".csr", ".ext"))
        if not os.path.exists(cert):
            with open(ext, "w") as file:
                file.write(f"subjectAltName=email:{mail}\nextendedKeyUsage=clientAuth\n")
            _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", "/CN=A Person", "-keyout", key, "-out", request)
            _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-days", "30",
                     "-extfile", ext, "-out", cert)
        return cert, key

    @staticmethod
    def _kind(name):
        if "@" in name:
            return "email"
        return "IP" if name.replace(".", "").isdigit() or ":" in name else "DNS"

    def config(self, *names):
        """The [tls] table of a Thurn with this name."""
        cert, key = self.issue(*names)
        return {"cert": cert, "key": key}

    def server_context(self, *names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names))
        return context

    def client_context(self):
        return ssl.create_default_context(cafile=self.cert)


class Issuer:
    """Signs access tokens (JWT, RS256); `key` is the file with its public key."""

    def __init__(self, folder):
        self._private, self.key = os.path.join(folder, "issuer.key"), os.path.join(folder, "issuer.pem")
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self._private)
        _openssl("pkey", "-in", self._private, "-pubout", "-out", self.key)
        os.chmod(self.key, 0o644)

    @staticmethod
    def _part(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=")

    def token(self, login, audience):
        now = int(time.time())
        claims = {"iss": "https://issuer.example", "aud": audience, "sub": login, "email": login, "iat": now - 10,
                  "nbf": now - 10, "exp": now + 3600}
        signed = self._part(b'{"alg":"RS256","typ":"JWT"}') + b"." + self._part(json.dumps(claims).encode())
        made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._private], input=signed, check=True,
                              capture_output=True, timeout=60).stdout
        return (signed + b"." + self._part(made)).decode()
