// SQS and SNS on a free loopback port. Says where it listens on standard output
// and ends as soon as standard input closes, that is, with the process that started it.
import { buildApp } from 'fauxqs';

const app = buildApp({ logger: false });
process.stdin.on('close', () => process.exit(0)).on('error', () => process.exit(0)).resume();
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
