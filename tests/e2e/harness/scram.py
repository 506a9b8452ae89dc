# SPDX-License-Identifier: ISC
"""A SCRAM client (RFC 5802) written for the tests, so that each of its messages can be made wrong."""

import base64
import hashlib
import hmac


def b64(octets):
    return base64.b64encode(octets).decode()


class Scram:
    def __init__(self, digest, login, password, header="n,,", nonce="rOprNGfwEbeRWgbNEkqO"):
        self.digest, self.password, self.header = digest, password, header
        self.bare = f"n={login},r={nonce}"

    def first(self):
        return b64((self.header + self.bare).encode())

    def final(self, challenge, proof=None):
        self.server_first = base64.b64decode(challenge).decode()
        parts = dict(part.split("=", 1) for part in self.server_first.split(","))
        self.salt, self.iterations = parts["s"], int(parts["i"])
        salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), base64.b64decode(self.salt), self.iterations)
        client_key = self._hmac(salted, b"Client Key")
        without = f"c={b64(self.header.encode())},r={parts['r']}"
        message = f"{self.bare},{self.server_first},{without}".encode()
        signature = self._hmac(hashlib.new(self.digest, client_key).digest(), message)
        self.verifier = "v=" + b64(self._hmac(self._hmac(salted, b"Server Key"), message))
        made = b64(bytes(a ^ b for a, b in zip(client_key, signature)))
        return b64(f"{without},p={proof or made}".encode())

    def _hmac(self, key, text):
        return hmac.new(key, text, self.digest).digest()
