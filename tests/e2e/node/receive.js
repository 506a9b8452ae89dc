// SPDX-License-Identifier: ISC
// An SMTP server made with smtp-server that keeps each mail in a file: receive.js HOST PORT CERTIFICATE KEY LOGIN FOLDER
// The login's password is in SECRET. What each session was is printed, one JSON line a mail.
const { SMTPServer } = require('smtp-server');
const fs = require('fs');
const path = require('path');

const [host, port, cert, key, login, folder] = process.argv.slice(2);
let count = 0;
const server = new SMTPServer({
    name: 'node.example.com', cert: fs.readFileSync(cert), key: fs.readFileSync(key), authMethods: ['PLAIN', 'LOGIN'],
    onAuth(auth, session, done) {
        const good = auth.username === login && auth.password === process.env.SECRET;
        done(good ? null : new Error('no'), good ? { user: auth.method } : undefined);
    },
    onData(stream, session, done) {
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('end', () => {
            fs.writeFileSync(path.join(folder, String(++count)), Buffer.concat(chunks));
            console.log(JSON.stringify({ secure: session.secure, user: session.user, mail: session.envelope.mailFrom,
                rcpt: session.envelope.rcptTo.map((r) => r.address), transmission: session.transmissionType }));
            done(null, 'taken');
        });
    },
});
server.on('error', (error) => console.error(error));
server.listen(Number(port), host, () => console.log('listening'));
