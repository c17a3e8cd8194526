// Unpacks the Chromium of the npm package beside it, with the libraries and fonts
// that it brings, so that it looks the same on every machine.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const home = join(import.meta.dirname, 'node_modules', '.chromium');
mkdirSync(home, { recursive: true });
process.env.TMPDIR = home; // where the package unpacks to
process.env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs20.x'; // makes it unpack its libraries too
const { default: chromium } = await import('@sparticuz/chromium');
await chromium.executablePath();
rmSync(join(import.meta.dirname, 'node_modules', '@sparticuz', 'chromium', 'bin'), { recursive: true });
writeFileSync(join(home, 'fonts.conf'),
  `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${join(home, 'fonts')}</dir><cachedir>${join(home, 'fonts-cache')}</cachedir></fontconfig>\n`);
