# SPDX-License-Identifier: ISC
"""The mail that real programs carry in the tests, with all that goes wrong on the way when a program is careless."""

import base64
import random

BODY = (b"Gr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln\r\n.\r\n..two dots\r\n.three words\r\n\r\ntrailing spaces   \r\n"
        + b"long " * 190 + b"\r\n" + b"From here on\r\n\r\n\r\nend\r\n")


def attachment(octets=1 << 20):
    """The same octets at each run, of every value."""
    return random.Random(5321).randbytes(octets)


def raw(sender, recipient, subject="hello", size=0):
    """A whole 8-bit mail with CRLF line ends; `size` octets of attachment make it multipart."""
    head = (f"From: Alice <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
            f"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}@test.example>\r\n").encode()
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + BODY
    if not size:
        return head + text
    file = base64.encodebytes(attachment(size)).replace(b"\n", b"\r\n")
    return (head + b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n" + text
            + b"--cut\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + file
            + b"--cut--\r\n")
