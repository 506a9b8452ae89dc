// SPDX-License-Identifier: ISC
// Sends the mail on its standard input with nodemailer: send.js STARTTLS|SMTPS PORT MECHANISM LOGIN RECIPIENT
// The password, or the token for XOAUTH2, is in SECRET; what the session said is printed.
const nodemailer = require('nodemailer');
const fs = require('fs');

const [how, port, mechanism, login, recipient] = process.argv.slice(2);
const say = (entry, format, ...words) => console.log(format, ...words);
const transport = nodemailer.createTransport({
    host: 'localhost', port: Number(port), secure: how === 'SMTPS', requireTLS: how === 'STARTTLS',
    authMethod: mechanism, debug: true,
    auth: mechanism === 'XOAUTH2' ? { type: 'OAuth2', user: login, accessToken: process.env.SECRET }
        : { user: login, pass: process.env.SECRET },
    logger: { trace: say, debug: say, info: say, warn: say, error: say, fatal: say, level: () => {} },
});
const raw = fs.readFileSync(0);
transport.sendMail({ envelope: { from: login, to: [recipient], size: raw.length, use8BitMime: true }, raw })
    .then(() => transport.close(), (error) => { console.error(error); process.exitCode = 1; });
