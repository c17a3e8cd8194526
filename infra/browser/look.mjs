// Opens pages in Chromium and says what it saw: reads a list of wishes from
// standard input, writes a list of sights to standard output. See browser.go.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const home = join(import.meta.dirname, 'node_modules', '.chromium');
const other = process.env.RESOLVER_CRON_TEST_BROWSER;
const browser = await puppeteer.launch({
  executablePath: other || join(home, 'chromium'),
  headless: other ? true : 'shell',
  pipe: true,
  args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none', '--hide-scrollbars'],
  env: other ? process.env : {
    HOME: home,
    LD_LIBRARY_PATH: join(home, 'al2023', 'lib'),
    FONTCONFIG_FILE: join(home, 'fonts.conf'),
  },
});

// see runs inside the page.
function see() {
  const sight = { overflow: [], contrast: [], charts: [], text: document.body.innerText, title: document.title };
  const wide = document.documentElement.clientWidth;
  sight.scrollWidth = document.documentElement.scrollWidth;
  const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + (e.classList.length ? '.' + [...e.classList].join('.') : '') + ' ' + JSON.stringify(e.textContent.trim().slice(0, 40));
  const rgba = s => { const m = s.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const lum = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const grounds = new Map([[null, [255, 255, 255, 1]]]);
  const ground = e => {
    if (!grounds.has(e)) grounds.set(e, over(rgba(getComputedStyle(e).backgroundColor), ground(e.parentElement)));
    return grounds.get(e);
  };
  for (const e of document.body.querySelectorAll('*')) {
    if (e.closest('svg')) continue;
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > wide + 1 || box.left < -1)) sight.overflow.push(name(e));
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || box.width === 0 || e.closest('thead') && getComputedStyle(e.closest('thead')).position === 'absolute') continue;
    const style = getComputedStyle(e), back = ground(e), ink = over(rgba(style.color), back);
    const [a, b] = [lum(ink), lum(back)].sort((x, y) => y - x);
    sight.contrast.push({ of: name(e), ratio: Math.round((a + 0.05) / (b + 0.05) * 100), size: Math.round(parseFloat(style.fontSize)) });
    if (e.scrollWidth > e.clientWidth + 1 && style.display !== 'inline') sight.overflow.push(name(e));
  }
  for (const s of document.querySelectorAll('svg')) {
    const box = s.getBoundingClientRect();
    if (s.closest('details:not([open])') || s.getAttribute('aria-hidden')) continue;
    const drawn = [...s.querySelectorAll('rect,path')].filter(e => { const b = e.getBBox(); return b.width + b.height > 0; }).length;
    if (box.right > wide + 1) sight.overflow.push(name(s));
    sight.charts.push({ name: s.querySelector('title')?.textContent ?? '', desc: s.querySelector('desc')?.textContent ?? '', width: Math.round(box.width), height: Math.round(box.height), drawn });
  }
  return sight;
}

const sights = [];
try {
  for (const wish of JSON.parse(readFileSync(0, 'utf8'))) {
    const page = await browser.newPage();
    const complaints = [], requests = [];
    page.on('console', m => complaints.push(m.text()));
    page.on('pageerror', e => complaints.push(String(e)));
    const own = pathToFileURL(wish.file).href;
    page.on('request', r => { if (r.url() !== own && !r.url().startsWith('data:')) requests.push(r.url()); });
    await page.setViewport({ width: wish.width, height: 900, deviceScaleFactor: wish.scale || 1 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: wish.dark ? 'dark' : 'light' }]);
    await page.goto(own, { waitUntil: 'load' });
    if (wish.unfold) await page.evaluate(() => document.querySelectorAll('details').forEach(d => { d.open = true; }));
    const sight = await page.evaluate(see);
    if (wish.picture) await page.screenshot({ path: wish.picture, fullPage: true });
    sights.push({ ...sight, complaints, requests });
    await page.close();
  }
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(sights));
