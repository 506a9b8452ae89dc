# SPDX-License-Identifier: ISC
"""Reading what landed: Maildir and mbox, byte for byte, and parsed."""

import email
import email.policy
import os


def maildir(path):
    """The raw messages in PATH/new, oldest file name first."""
    new = os.path.join(path, "new")
    if not os.path.isdir(new):
        return []
    out = []
    for name in sorted(os.listdir(new)):
        with open(os.path.join(new, name), "rb") as file:
            out.append(file.read())
    return out


def files(path):
    new = os.path.join(path, "new")
    return sorted(os.path.join(new, name) for name in os.listdir(new)) if os.path.isdir(new) else []


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def body(raw):
    """The raw body: all after the first empty line, line ends as they are in the file."""
    for gap in (b"\r\n\r\n", b"\n\n"):
        head, found, rest = raw.partition(gap)
        if found and (gap == b"\r\n\r\n" or b"\r\n\r\n" not in raw):
            return rest
    return b""


def unix(raw):
    """raw with LF line ends (a Maildir file may have either)."""
    return raw.replace(b"\r\n", b"\n")


def report_part(raw, subtype):
    """The part of a multipart/report with this content type, e.g. message/delivery-status."""
    for part in parsed(raw).walk():
        if part.get_content_type() == subtype:
            return part
    return None


def delivery_status(raw):
    """(per-message fields, [per-recipient fields]) of an RFC 3464 report."""
    part = report_part(raw, "message/delivery-status")
    assert part is not None, "no message/delivery-status part in\n" + raw.decode("utf-8", "replace")
    blocks = part.get_payload()
    return blocks[0], list(blocks[1:])
