// Looks at the pages of a report as a reader does: in a browser, wide and narrow, light and dark, by keyboard, printed.
// node checks.mjs CHROMIUM DIR... ; each DIR is a report. Prints what is wrong, a line each, and ends with 1 if anything is.
import puppeteer from 'puppeteer-core';
import axe from 'axe-core';
import Ajv from 'ajv/dist/2020.js';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { crowded, history, scaling, shapes } from './looks.mjs';

const [chromium, ...reports] = process.argv.slice(2);
const WIDTHS = [1280, 768, 390, 320];
const wrong = [];
let looked = 0;
let where = '';
const check = (holds, told) => { looked += 1; if (!holds) wrong.push(`${where}: ${told}`); };
const near = (a, b, by) => Math.abs(a - b) <= by;

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
const schema = (name) => ajv.compile(JSON.parse(readFileSync(new URL(`./${name}.schema.json`, import.meta.url), 'utf8')));
const schemas = { run: schema('run'), review: schema('review') };
const words = new Set();

const browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: ['--no-sandbox', '--disable-gpu'] });
try {
  for (const report of reports) {
    // The page over all pages is looked at once; what is in it is in the pages, too.
    const isFirst = report === reports[0] || basename(report) === 'hostile';
    valid(report);
    for (const file of readdirSync(report).filter((name) => name.endsWith('.html') && (isFirst || name !== 'index.html')).sort()) await look(report, file);
  }
} finally {
  await browser.close();
}
where = 'all pages';
for (const word of ['faster', 'slower', 'no practical change', 'not decided']) check(words.has(word), `no row is ${word}`);
for (const one of wrong) console.log(one);
console.log(`${looked} checks, ${wrong.length} failed`);
process.exit(wrong.length ? 1 : 0);

async function open(url, { width = 1280, scheme = 'light', script = true, height = 800 } = {}) {
  const page = await browser.newPage();
  const seen = { requests: [], console: [] };
  page.on('request', (one) => { if (!one.url().startsWith('data:')) seen.requests.push(one.url()); });
  page.on('console', (one) => seen.console.push(one.text()));
  page.on('pageerror', (error) => seen.console.push(error.message));
  page.on('dialog', (dialog) => { seen.console.push('dialog'); dialog.dismiss(); });
  await page.setJavaScriptEnabled(script);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.setViewport({ width, height });
  await page.goto(url, { waitUntil: 'load' });
  return { page, seen };
}

async function look(report, file) {
  const name = `${basename(report)}/${file}`;
  const url = `file://${join(report, file)}`;
  const isIndex = file === 'index.html' || file === 'history.html';
  where = name;
  check(isIndex || statSync(join(report, file)).size <= 500_000, 'is larger than 500 KB');
  const review = isIndex ? null : JSON.parse(readFileSync(join(report, 'data', file.replace('.html', '.review.json')), 'utf8'));
  for (const scheme of ['light', 'dark']) {
    for (const width of scheme === 'light' ? WIDTHS : [1280, 390]) {
      where = `${name} ${width} ${scheme}`;
      const { page, seen } = await open(url, { width, scheme });
      const size = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      check(size[0] <= size[1], `scrolls sideways: ${size[0]} > ${size[1]}`);
      const small = await page.evaluate(() => [...document.querySelectorAll('svg text')].filter((t) => t.getBoundingClientRect().width > 0 && parseFloat(getComputedStyle(t).fontSize) * (t.getScreenCTM()?.d ?? 1) < 11).map((t) => t.textContent).slice(0, 3));
      check(small.length === 0, `letters below 11 px: ${small}`);
      const squeezed = await page.evaluate(() => [...document.querySelectorAll('td,th,p,li')].filter((e) => { const r = e.getBoundingClientRect(); return r.width > 1 && r.width < 60 && e.innerText.length > 40; }).map((e) => e.innerText.slice(0, 30)));
      check(squeezed.length === 0, `squeezed: ${squeezed.slice(0, 3)}`);
      await crowded(page, check);
      if (width === 1280 || width === 390) await accessible(page);
      if (width === 1280 && scheme === 'light') {
        check(seen.requests.length === 1, `asks for ${seen.requests.slice(1)}`);
        await form(page);
        await content(page, review, report);
        await shapes(page, check);
        if (review) await scaling(page, review, check, near);
        if (review?.phases.length) await shares(page);
        await colours(page);
        if (file === 'history.html') await history(page, JSON.parse(readFileSync(join(report, 'data/history.json'), 'utf8')), check, near);
        await keyboard(page);
        await zooming(page, url, review);
      }
      check(seen.console.length === 0, `console: ${seen.console.slice(0, 2)}`);
      if (width === 1280 && scheme === 'light') await foreignScript(page);
      await page.close();
    }
  }
  where = name;
  await printed(url, review);
  await withoutScript(url);
  await addresses(url, review);
  await quick(url);
}

// What programs read is as its schema says, and the schema can say no.
function valid(report) {
  where = `${basename(report)} data`;
  for (const file of readdirSync(join(report, 'data')).filter((name) => name === 'run.json' || name.endsWith('.review.json'))) {
    const data = JSON.parse(readFileSync(join(report, 'data', file), 'utf8'));
    const validate = file === 'run.json' ? schemas.run : schemas.review;
    check(validate(data), `${file}: ${ajv.errorsText(validate.errors?.slice(0, 3))}`);
    for (const spoil of [(one) => delete one.run, (one) => { one.band = 'wide'; }, (one) => { one.schema = 'assay.other/1'; }]) {
      const other = structuredClone(data);
      spoil(other);
      check(!validate(other), `${file}: a document that is none is taken for one`);
    }
  }
}

async function accessible(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations.map((v) => `${v.id} ${v.nodes.length} ${v.nodes[0].target} ${v.nodes[0].failureSummary}`));
  check(found.length === 0, `axe: ${found.slice(0, 3)}`);
}

async function form(page) {
  const found = await page.evaluate(() => ({
    inline: [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name === 'style' || /^on/.test(a.name))).length,
    outside: [...document.querySelectorAll('[src],[href]')].map((e) => e.getAttribute('href') ?? e.getAttribute('src')).filter((v) => /^(https?:|\/\/|javascript:)/i.test(v)),
    policy: document.querySelector('meta[http-equiv=Content-Security-Policy]')?.content ?? '',
    sections: [...document.querySelectorAll('main section')].map((s) => [s.id, s.querySelector('h1,h2')?.textContent ?? '', (s.querySelector('.ans,.lede')?.textContent ?? '').trim()]),
    ids: [...document.querySelectorAll('[id]')].map((e) => e.id),
    dead: [...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute('href').slice(1)).filter((id) => !document.getElementById(decodeURIComponent(id))),
  }));
  check(found.inline === 0, `${found.inline} inline styles or handlers`);
  check(found.outside.length === 0, `addresses outside: ${found.outside}`);
  check(found.policy.includes("default-src 'none'") && found.policy.includes('sha256-'), 'no policy');
  for (const [id, heading, answer] of found.sections) {
    check(id === 'answer' || heading.trim().endsWith('?'), `${id}: "${heading}" is no question`);
    check(answer.length > 0, `${id} has no answer`);
  }
  check(new Set(found.ids).size === found.ids.length, 'an id stands twice');
  check(found.dead.length === 0, `addresses that lead nowhere: ${found.dead}`);
}

async function content(page, review, report) {
  const files = await page.evaluate(() => [...document.querySelectorAll('table.files tbody tr')].map((tr) => [tr.querySelector('a').getAttribute('href'), tr.children[2].textContent, tr.children[3].textContent]));
  check(files.length > 0, 'no raw files');
  for (const [path, bytes, sha] of files) {
    const there = existsSync(join(report, path));
    check(there, `${path} is not there`);
    if (!there) continue;
    const text = readFileSync(join(report, path));
    check(text.length === +bytes.replaceAll(',', '') && createHash('sha256').update(text).digest('hex') === sha, `${path}: size or SHA-256 is another`);
  }
  if (!review) return;
  const shown = await page.evaluate(() => ({
    h1: document.querySelector('h1').textContent,
    first: [...document.querySelectorAll('#answer *')].filter((e) => e.children.length === 0 && e.getBoundingClientRect().bottom <= 800).map((e) => e.textContent).join(' '),
    cards: [...document.querySelectorAll('.card')].map((e) => [e.getBoundingClientRect().bottom, e.querySelector('b').textContent.trim()]),
    rows: [...document.querySelectorAll('.t-faster tbody tr')].map((tr) => ({
      name: tr.dataset.row, folded: tr.closest('details') !== null, text: tr.textContent, cells: [...tr.children].map((c) => c.textContent), chip: tr.querySelector('.chip')?.textContent ?? null, dots: tr.querySelector('.pts path')?.getAttribute('d').match(/M/g).length ?? 0, rank: tr.querySelector('.rk')?.textContent ?? '',
      bars: [...tr.querySelectorAll('svg.d')].map((s) => [s, document.querySelector(s.querySelector('use').getAttribute('href')).dataset]).map(([s, on]) => ({ low: +on.low, high: +on.high, log: on.log === '1', civ: s.querySelector('.civ') && [parseFloat(s.querySelector('.civ').getAttribute('x')), parseFloat(s.querySelector('.civ').getAttribute('width'))], mid: s.querySelector('.medl') && parseFloat(s.querySelector('.medl').getAttribute('x1')) })),
    })),
    stacks: [...document.querySelectorAll('.t-where tbody tr')].map((tr) => ({ name: tr.dataset.row, high: +document.querySelector(tr.querySelector('use.abs').getAttribute('href')).dataset.high, segments: [...tr.querySelectorAll('.bar .sg')].map((s) => [s.querySelector('title').textContent.split(': ')[0], parseFloat(s.getAttribute('x')), (parseFloat(s.getAttribute('width')) * parseFloat(tr.querySelector('.bar').getAttribute('width'))) / 100, !!s.querySelector('[fill="url(#hatch)"]')]) })),
    ladder: [...document.querySelectorAll('.t-ladder tbody tr')].map((tr) => [...tr.querySelectorAll('rect')].map((r) => [r.getAttribute('class'), parseFloat(r.getAttribute('x')), parseFloat(r.getAttribute('width'))])),
    ceilings: [...document.querySelectorAll('.t-ceil tbody tr')].map((tr) => [tr.dataset.row, tr.children[2].querySelector('b')?.textContent, tr.children[3].querySelector('b')?.textContent]),
    claims: [...document.querySelectorAll('#claims [id]')].map((tr) => [tr.id, tr.textContent]),
    trust: document.querySelector('#trust').textContent,
    command: document.querySelector('#cmd').textContent,
  }));
  const summary = review.summary;
  const now = summary.rows.find((row) => row.name === review.now);
  const printed = (v) => (Math.abs(v) < 9.995 ? v.toFixed(2) : Math.abs(v) < 99.95 ? v.toFixed(1) : v.toFixed(0));
  if (now?.over_baseline) {
    check(shown.h1.includes(printed(now.over_baseline.mid)), `the heading lacks the factor ${printed(now.over_baseline.mid)}: ${shown.h1}`);
    check(shown.first.includes(printed(now.over_baseline.low)) && shown.first.includes(printed(now.over_baseline.high)), 'the first screen lacks the bounds');
  }
  check(shown.cards.length === 4, 'there are not four facts');
  // A name of 300 letters fills the screen by itself.
  check(shown.cards.every(([bottom]) => bottom <= 800) || (review.now ?? '').length > 100, `the facts are below the first screen: ${shown.cards.map((c) => Math.round(c[0]))}`);
  for (const [at, key] of ['fastest', 'next', 'claims', 'trust'].entries()) {
    const flat = (text) => text.replace(/[\s\\nt]+/g, '');
    check(flat(shown.cards[at]?.[1] ?? '') === flat(review.answer[key].value), `the fact ${key} is ${shown.cards[at]?.[1]}`);
  }
  check(shown.rows.length === summary.rows.length, `${shown.rows.length} rows of ${summary.rows.length}`);
  const run = JSON.parse(readFileSync(join(report, 'data/run.json'), 'utf8'));
  const measured = run.workloads.find((one) => one.workload === summary.workload && one.fixture === summary.fixture);
  for (const folded of [false, true]) {
    const order = shown.rows.filter((one) => one.folded === folded).map((one) => one.name);
    const wanted = measured.rows.filter((row) => (row.for_one_step && row.name !== review.now && row.name !== summary.baseline) === folded).map((row) => row.name);
    check(JSON.stringify(order) === JSON.stringify(wanted), `rows ${folded ? 'below' : 'shown first'} are ${order}`);
  }
  for (const row of measured.rows) {
    const drawn = shown.rows.find((one) => one.name === row.name);
    if (!drawn) { check(false, `row ${row.name} is not there`); continue; }
    const time = row.us_per_file;
    check(time.low <= time.mid && time.mid <= time.high, `${row.name}: bounds`);
    bar(drawn.bars[0], time, row.name);
    if (row.over_baseline) bar(drawn.bars[1], row.over_baseline, row.name);
    if (row.over_baseline && row.rank > 0) {
      const { low, high } = row.over_baseline, band = 1 + run.band;
      const word = row.rounds < 4 ? 'too few rounds' : low > band ? 'faster' : high < 1 / band ? 'slower' : low >= 1 / band && high <= band ? 'no practical change' : 'not decided';
      check(drawn.chip === word, `${row.name}: says ${drawn.chip}, the rule says ${word}`);
      words.add(drawn.chip);
      check(drawn.text.includes(printed(row.over_baseline.mid)), `${row.name}: its ratio is not there`);
    }
    const rounds = review.series.find((one) => one.name === row.name)?.rounds.length ?? 0;
    check(rounds > 300 ? drawn.dots <= 24 : drawn.dots === rounds, `${row.name}: ${drawn.dots} dots of ${rounds} rounds`);
    if (row.rank > 0) check(drawn.rank.trim() === `${row.rank}${row.tied ? ' tied' : ''}`, `${row.name}: place ${drawn.rank}`);
  }
  const scales = new Set(shown.stacks.map((s) => s.high));
  check(scales.size <= 1, 'the breakdown has more than one scale');
  for (const stack of shown.stacks) {
    const row = summary.rows.find((one) => one.name === stack.name);
    const end = stack.segments.reduce((sum, [, , width]) => sum + width, 0);
    check(near(end, (100 * row.us_per_file.mid) / stack.high, 0.5), `${stack.name}: segments end at ${end}`);
    for (const [phase, , , hatched] of stack.segments) {
      const kind = review.phases.find((one) => one.name === phase).kind;
      check(hatched === (kind === 'unnamed'), `${stack.name}: ${phase} is ${hatched ? '' : 'not '}hatched`);
    }
  }
  for (const [phase, now, start] of shown.ceilings) {
    const target = review.targets.find((one) => one.phase === phase);
    for (const [pair, text, of] of [[target.now, now, review.now], [target.start, start, summary.baseline]]) {
      if (!pair) continue;
      const total = summary.rows.find((row) => row.name === of).us_per_file.mid;
      check(near(pair[1], total / (total - pair[0]), 1e-6), `${phase}: ceiling`);
      check(text === `${printed(pair[1])}×`, `${phase}: prints ${text}`);
    }
  }
  let end = null;
  for (const [at, rects] of shown.ladder.entries()) {
    if (at === 0) { end = rects[0][2]; continue; }
    const [, x, width] = rects[1], rung = review.ladder[at - 1];
    const [left, right] = [x, x + width];
    const [from, to] = rung.us[0] >= rung.us[1] ? [right, left] : [left, right];
    check(near(from, end, 0.35), `the step ${rung.name} begins at ${from}, not ${end}`);
    end = to;
  }
  for (const judged of review.claims) {
    const drawn = shown.claims.find(([id]) => id === judged.claim.id);
    check(drawn && drawn[1].includes(judged.claim.quote), `${judged.claim.id}: its words are not there`);
    check(drawn && drawn[1].includes(`${judged.source}:${judged.claim.line}`), `${judged.claim.id}: its place is not there`);
  }
  for (const one of review.trust) check(shown.trust.includes(one.name), `the check ${one.name} is not there`);
  for (const [field] of review.machine) check(shown.trust.includes(field.replaceAll('_', ' ')) || /[<>]/.test(field), `the machine lacks ${field}`);
  check(shown.command.includes('assay report') && shown.command.includes(review.command), 'the commands are not there');

  function bar(drawn, bounds, name) {
    const at = (v) => { const inside = Math.min(Math.max(v, drawn.low), drawn.high); return drawn.log ? (100 * Math.log(inside / drawn.low)) / Math.log(drawn.high / drawn.low) : (100 * (inside - drawn.low)) / (drawn.high - drawn.low); };
    check(near(drawn.civ[0], at(bounds.low), 0.5) && near(drawn.civ[0] + Math.max(drawn.civ[1], 0), Math.max(at(bounds.high), drawn.civ[0] + 0.3), 0.5) && near(drawn.mid, at(bounds.mid), 0.5), `${name}: the bar lies elsewhere than its numbers`);
  }
}

// One bar is both pictures: as wide as its time, or as wide as there is room; and its words are those of the picture.
async function shares(page) {
  const bars = () => page.evaluate(() => [...document.querySelectorAll('.t-where .bar')].filter((b) => b.checkVisibility()).map((b) => ({ wide: (100 * b.getBoundingClientRect().width) / b.parentElement.getBoundingClientRect().width, by: parseFloat(b.getAttribute('width')), words: [...b.querySelectorAll('text.b')].filter((t) => getComputedStyle(t).display !== 'none').map((t) => t.textContent) })));
  const times = await bars();
  if (!times.length) return;
  check(times.every((b) => near(b.wide, b.by, 0.5) && b.words.every((word) => !word.includes('%'))), 'bars of times are not as wide as their times');
  await page.evaluate(() => document.getElementById('bd-share').click());
  const parts = await bars();
  check(parts.every((b) => near(b.wide, 100, 0.5)) && parts.some((b) => b.words.length > 0) && parts.every((b) => b.words.every((word) => word.includes('%'))), 'bars of shares are not as wide as there is room');
  await page.evaluate(() => document.getElementById('bd-abs').click());
}

// Light and dark can be chosen against the system, and given back to it.
async function colours(page) {
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const system = await back();
  await page.select('#theme', 'dark');
  check((await back()) !== system, 'dark cannot be chosen');
  await page.select('#theme', '');
  check((await back()) === system, 'the colours of the system cannot be chosen');
}

async function keyboard(page) {
  await page.keyboard.press('Tab');
  check((await page.evaluate(() => document.activeElement.className)) === 'skip', 'the first stop is not the skip link');
  const reachable = await page.evaluate(() => [...document.querySelectorAll('a[href],button:not([disabled]):not([hidden]),select:not([hidden]),summary,input,[tabindex="0"]')].filter((e) => e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) && e.getClientRects().length).length);
  const seen = new Set();
  let bare = '';
  for (let at = 0; at < Math.min(reachable + 20, 160); at += 1) {
    const one = await page.evaluate(() => {
      const e = document.activeElement, s = getComputedStyle(e);
      const label = e.type === 'radio' ? getComputedStyle(e.nextElementSibling) : null;
      const rect = e.classList.contains('fr') ? getComputedStyle(e.querySelector('rect')) : null;
      window.counted = (window.counted ?? 0) + 1;
      e.dataset.seen = e.dataset.seen ?? window.counted;
      return [e.dataset.seen, e.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || (label && label.outlineStyle !== 'none') || (rect && parseFloat(rect.strokeWidth) >= 3)];
    });
    if (one[1] !== 'BODY') { seen.add(one[0]); if (!one[2]) bare = one[1]; }
    await page.keyboard.press('Tab');
  }
  check(seen.size >= Math.min(reachable - 3, 130), `only ${seen.size} of ${reachable} stops are reached`);
  check(bare === '', `focus is not seen on ${bare}`);
}

async function zooming(page, url, review) {
  if (!review?.icicles) return;
  const all = await page.evaluate(() => ['before', 'after'].map((side) => [...document.querySelectorAll(`svg.fl[data-side=${side}] .fr`)].map((f) => ({ name: f.querySelector('text').firstChild.nodeValue.trim(), label: f.getAttribute('aria-label'), cls: f.getAttribute('class'), x: parseFloat(f.getAttribute('x')), w: parseFloat(f.getAttribute('width')), id: f.dataset.i, up: f.dataset.u, fill: getComputedStyle(f.querySelector('rect')).fill }))));
  const [before, after] = all;
  check(before.length <= 1000 && after.length <= 1000, 'more than 1,000 frames');
  const whole = Math.max(review.icicles.root.before, review.icicles.root.now);
  const check_tree = (frame) => {
    const calls = frame.calls ?? [];
    for (const key of ['before', 'now']) check(calls.reduce((sum, call) => sum + call[key], 0) <= frame[key] * 1.000001 + 1e-6, `${frame.name}: callees take more than it`);
    calls.forEach(check_tree);
  };
  check_tree(review.icicles.root);
  check(near(before[0].w, (100 * review.icicles.root.before) / whole, 0.01) && near(after[0].w, (100 * review.icicles.root.now) / whole, 0.01), 'two scales');
  const gone = before.filter((f) => f.cls.includes('gone')), fresh = after.filter((f) => f.cls.includes('new'));
  check(gone.length > 0 && gone.every((f) => f.label.includes('gone')), 'nothing is gone');
  check(fresh.length > 0 && fresh.every((f) => f.label.includes('new')), 'nothing is new');
  check(!after.some((f) => f.cls.includes('gone')), 'what is gone is drawn after');
  const decode = before.find((f) => f.name === 'decode');
  if (decode) {
    check(decode.cls.includes('l3') && decode.label.includes('\u2212'), `decode is ${decode.cls}, ${decode.label}`);
    const [r, g, b] = decode.fill.match(/\d+/g).map(Number);
    check(b > r && b > g, 'what shrank is not blue');
  }
  await page.evaluate(() => document.querySelector('svg.fl .fr').focus());
  await page.keyboard.press('ArrowDown');
  const there = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  check(there !== null && there.includes('before') && there.includes('now'), 'arrows do not move');
  const said = await page.evaluate(() => document.getElementById('fd').textContent);
  check(said.includes('before') && said.includes('now'), 'frames are not told');
  await page.keyboard.press('Enter');
  const zoomed = await page.evaluate(() => ({ hash: location.hash, on: parseFloat(document.activeElement.getAttribute('width')), same: ['before', 'after'].map((side) => { const f = document.querySelector(`svg.fl[data-side=${side}] .fr[data-i="${document.activeElement.dataset.i}"]`); return f ? parseFloat(f.getAttribute('width')) : null; }) }));
  check(zoomed.hash.startsWith('#code='), 'a zoom has no address');
  check(Math.max(...zoomed.same.filter((w) => w !== null)) > 99.9, 'Enter does not zoom');
  await accessible(page);
  const again = await open(url + zoomed.hash);
  check((await again.page.evaluate(() => document.querySelectorAll('.fr.hidden').length)) > 0, 'the address of a zoom does not restore it');
  await again.page.close();
  await page.keyboard.press('Escape');
  check((await page.evaluate(() => document.querySelectorAll('.fr.hidden').length)) === 0, 'Escape does not come back');
  await page.type('#fs', 'inflate');
  check((await page.evaluate(() => document.querySelectorAll('.fr.hit').length)) > 0 && /\d/.test(await page.evaluate(() => document.getElementById('fsn').textContent)), 'nothing is found');
}

async function foreignScript(page) {
  const ran = await page.evaluate(() => new Promise((done) => {
    const script = document.createElement('script');
    script.textContent = 'window.foreign = 1';
    document.addEventListener('securitypolicyviolation', () => done(window.foreign === 1));
    document.body.append(script);
    setTimeout(() => done(window.foreign === 1), 500);
  }));
  check(!ran, 'a script from elsewhere runs');
}

async function printed(url, review) {
  const { page } = await open(url, { scheme: 'dark' });
  const pdf = await page.pdf({ format: 'A4', printBackground: true });
  const pages = (Buffer.from(pdf).toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length;
  // A name of 300 letters fills pages by itself, and so do more rows than anybody compares.
  const most = review && review.summary.rows.length <= 24 && !url.includes('/hostile/') ? 12 : 20;
  check(pages > 0 && pages <= most, `${pages} printed pages`);
  await page.emulateMediaType('print');
  const found = await page.evaluate(() => ({
    back: getComputedStyle(document.body).backgroundColor, nav: getComputedStyle(document.querySelector('.nav')).display,
    closed: [...document.querySelectorAll('details')].filter((d) => !d.open).length,
    heads: [...document.querySelectorAll('table.rows thead')].filter((t) => getComputedStyle(t).display !== 'table-header-group').length,
  }));
  check(['rgb(255, 255, 255)', 'rgba(0, 0, 0, 0)'].includes(found.back), `printed on ${found.back}`);
  check(found.nav === 'none', 'the navigation is printed');
  check(found.closed === 0, `${found.closed} details are not opened for print`);
  check(found.heads === 0, 'heads of tables are not repeated');
  await page.close();
}

async function withoutScript(url) {
  const { page } = await open(url, { script: false });
  const found = await page.evaluate(() => ({ text: document.body.innerText.length, controls: [...document.querySelectorAll('#theme,#copy')].filter((e) => e.getClientRects().length).length }));
  check(found.text > 500, 'without script there is nothing');
  check(found.controls === 0, 'without script controls are shown that do nothing');
  await page.close();
}

async function addresses(url, review) {
  const claim = review?.claims.at(-1)?.claim.id;
  for (const id of ['trust', ...(claim ? [claim] : [])]) {
    const { page } = await open(`${url}#${id}`);
    const at = await page.evaluate((id) => { const e = document.getElementById(id), r = e.getBoundingClientRect(); return [r.top, r.height, innerHeight]; }, id);
    check(at[1] > 0 && at[0] >= -2 && at[0] < at[2], `#${id} leads to ${at}`);
    await page.close();
  }
}

async function quick(url) {
  const { page } = await open(url);
  const ms = await page.evaluate(() => performance.getEntriesByType('navigation')[0].loadEventEnd);
  if (process.env.ASSAY_TELL) console.log(`${where}: loaded in ${Math.round(ms)} ms`);
  await page.close();
}
