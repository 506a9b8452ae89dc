# SPDX-License-Identifier: ISC
"""Each real server as a peer of Thurn's: it takes mail for bob@example.com, sends on all other by MX, STARTTLS both ways,
and tells each dialogue it had. NAMES are the servers; start(NAME, ...) starts one."""

import os
import subprocess

from . import exim, opensmtpd, postfix, sendmail

NAMES = ["Postfix", "Exim", "OpenSMTPD", "Sendmail"]
DOMAIN, NAME, HOST = "example.com", "peer.example.com", "10.77.0.3"


def _open_folder(path):
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


def _postfix(work, net, authority, main):
    cert, key = authority.issue(NAME)
    box = _open_folder(os.path.join(work, "boxes"))
    nobody = int(subprocess.run(["id", "-u", "nobody"], check=True, capture_output=True).stdout)
    peer = postfix.Postfix(os.path.join(work, "postfix"), HOST, 25, inside=net, name=NAME, **{
        "virtual_mailbox_domains": DOMAIN, "virtual_mailbox_base": box, "virtual_mailbox_maps": "inline:{ bob@example.com=bob/ gr\u00fcn@example.com=gr\u00fcn/ }",
        "virtual_uid_maps": f"static:{nobody}", "virtual_gid_maps": "static:65534", "virtual_minimum_uid": "1",
        "mynetworks": "10.77.0.0/24", "smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key,
        "smtpd_tls_security_level": "may", "smtp_tls_security_level": "encrypt", "debug_peer_list": "10.77.0.0/24",
        "debug_peer_level": "1", **main})
    peer.maildir = lambda user: os.path.join(box, user)
    return peer


def _exim(build, work, net, authority, ca=None, more=""):
    cert, key = authority.issue(NAME)
    folder = _open_folder(os.path.join(work, "exim-tls"))
    pair = []
    for path in (cert, key):
        pair.append(os.path.join(folder, os.path.basename(path)))
        with open(path, "rb") as source, open(pair[-1], "wb") as copy:
            copy.write(source.read())
        os.chmod(pair[-1], 0o644)
    routers = ("here:\n  driver = accept\n  domains = example.com\n  local_parts = bob : carol : gr\u00fcn\n  transport = file\n"
               "there:\n  driver = dnslookup\n  domains = ! example.com\n  transport = out\n")
    return exim.Exim(build, os.path.join(work, "exim"), HOST, 25, routers, inside=net, name=NAME, tls=pair, debug=True,
                     more=more,
                     main="smtputf8_advertise_hosts = *" + (f"\ntls_try_verify_hosts = *\ntls_verify_certificates = {ca}" if ca else ""))


def start(kind, build, work, net, authority, **main):
    if kind == "Postfix":
        return _postfix(work, net, authority, main)
    if kind == "Exim":
        return _exim(build, work, net, authority, **main)
    folder = os.path.join(work, kind.lower())
    os.mkdir(folder)
    if kind == "OpenSMTPD":
        return opensmtpd.OpenSMTPD(build, folder, HOST, 25, net, domain=DOMAIN, name=NAME, tls=authority.issue(NAME))
    return sendmail.Sendmail(build, folder, HOST, 25, net, domain=DOMAIN, name=NAME, tls=authority.issue(NAME), ca=authority.cert)
