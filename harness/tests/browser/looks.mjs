// Charts and marks: whether what is drawn is what the data say, and is told without colour.

// Labels of an axis stand apart, and no word reaches out of its cell.
export async function crowded(page, check) {
  const found = await page.evaluate(() => {
    const seen = (e) => e.getBoundingClientRect().width > 0;
    const labels = [...document.querySelectorAll('svg.ax')].filter(seen).flatMap((svg) => {
      const texts = [...svg.querySelectorAll('text')].map((t) => [t.getBoundingClientRect(), t.textContent]).sort((a, b) => a[0].left - b[0].left);
      return texts.slice(1).filter(([box], i) => box.left < texts[i][0].right + 1).map(([, text], i) => text);
    });
    const chips = [...document.querySelectorAll('td .chip')].filter(seen).filter((chip) => chip.getBoundingClientRect().right > chip.closest('td').getBoundingClientRect().right + 1);
    return { labels, chips: chips.map((chip) => chip.textContent) };
  });
  check(found.labels.length === 0, `labels of an axis overlap: ${found.labels.slice(0, 3)}`);
  check(found.chips.length === 0, `reaches out of its cell: ${found.chips.slice(0, 3)}`);
}

// Every word has a shape, and every shape one word of its kind; what is gone and new has a pattern; three marks of a
// claim are three shapes.
export async function shapes(page, check) {
  const found = await page.evaluate(() => ({
    chips: [...document.querySelectorAll('.chip')].map((c) => [c.className.split(' ')[1], c.textContent.trim(), [...c.querySelectorAll('svg *')].map((e) => e.tagName + (e.getAttribute('d') ?? '')).join()]),
    gone: [...document.querySelectorAll('.fr.gone')].filter((f) => !f.querySelector('[fill="url(#hgone)"]') || !f.getAttribute('aria-label').includes('gone')).length,
    fresh: [...document.querySelectorAll('.fr.new')].filter((f) => !f.querySelector('[fill="url(#hnew)"]') || !f.getAttribute('aria-label').includes('new')).length,
    unnamed: [...document.querySelectorAll('.sg.o0')].filter((s) => !s.querySelector('[fill="url(#hatch)"]')).length,
    key: document.querySelector('.t-claims .hint .ik') ? [...document.querySelectorAll('.t-claims .ik > *')].map((e) => e.getAttribute('class')) : null,
    told: document.querySelector('.t-claims thead')?.textContent ?? '',
    marks: [...document.querySelectorAll('.t-claims td.pic')].map((td) => [td.querySelectorAll('path.cl').length, td.querySelectorAll('line.pr').length, td.querySelectorAll('circle.dot').length]),
  }));
  check(found.chips.every(([, word, shape]) => word.length > 0 && shape.length > 0), 'a word has no shape, or a shape no word');
  const shapes = new Map(found.chips.map(([tone, , shape]) => [tone, shape]));
  check(new Set(shapes.values()).size === shapes.size, `two tones look alike without colour: ${[...shapes.keys()]}`);
  check(found.gone === 0 && found.fresh === 0, 'gone or new is told by colour alone');
  check(found.unnamed === 0, 'time without a name is not hatched');
  if (found.key) {
    check(JSON.stringify(found.key) === JSON.stringify(['cl', 'pr', 'dot']), `the key of claims shows ${found.key}`);
    check(['claimed', 'foretold', 'measured'].every((word) => found.told.includes(word)), 'the key of claims has no words');
    check(found.marks.every(([, , dots]) => dots <= 1), 'a claim has two measured marks');
  }
}

// Points, whiskers, fit, ideal, and the peak with its bounds; or the reason why there is no curve.
export async function scaling(page, review, check, near) {
  const drawn = await page.evaluate(() => [...document.querySelectorAll('svg.plot[aria-labelledby^="scale-"]')].map((svg) => ({
    title: svg.querySelector('title').textContent,
    points: [...svg.querySelectorAll('circle.f-s1')].map((c) => [parseFloat(c.getAttribute('cx')), parseFloat(c.getAttribute('cy'))]),
    whiskers: [...svg.querySelectorAll('path.k-ink, line.k-ink')].length,
    curves: [...svg.querySelectorAll('path.k-s1')].length,
    bands: [...svg.querySelectorAll('path.f-bnd')].length,
    texts: [...svg.querySelectorAll('text')].map((t) => t.textContent),
    beside: svg.closest('.two').querySelector('.side').textContent,
  })));
  check(drawn.length === review.scaling.length, `${drawn.length} charts of ${review.scaling.length} that scale`);
  for (const [at, one] of review.scaling.entries()) {
    const chart = drawn[at];
    if (!chart) continue;
    const flat = (text) => text.replace(/[\s\\]+/g, '');
    check(flat(chart.title).includes(flat(one.name).slice(0, 40)), `the chart of ${one.name} is of ${chart.title}`);
    check(chart.points.length === one.points.length, `${one.name}: ${chart.points.length} points of ${one.points.length}`);
    check(chart.whiskers >= one.points.length, `${one.name}: ${chart.whiskers} whiskers`);
    check(chart.texts.includes('ideal'), `${one.name}: what would be ideal is not drawn`);
    // Points lie in a line with their numbers: as far to the right as their workers, as high as their gain.
    const by = (key) => [...one.points.keys()].sort((a, b) => key(a) - key(b)).join();
    check(by((i) => chart.points[i]?.[0]) === by((i) => one.points[i][0]), `${one.name}: points lie elsewhere`);
    const [first, last] = [0, one.points.length - 1];
    if (last > 1) {
      const slope = (chart.points[last][0] - chart.points[first][0]) / (one.points[last][0] - one.points[first][0]);
      check(one.points.every(([workers], i) => near(chart.points[i][0], chart.points[first][0] + slope * (workers - one.points[first][0]), 0.5)), `${one.name}: workers are not to scale`);
      const rise = (chart.points[last][1] - chart.points[first][1]) / (one.points[last][1].mid - one.points[first][1].mid);
      if (Math.abs(one.points[last][1].mid - one.points[first][1].mid) > 0.2) check(one.points.every(([, gain], i) => near(chart.points[i][1], chart.points[first][1] + rise * (gain.mid - one.points[first][1].mid), 2)), `${one.name}: gains are not to scale`);
    }
    if (one.fit) {
      check(one.points.length >= 4 && one.fit.r2 >= 0.9, `${one.name}: a curve through too little`);
      check(chart.curves > 0 && chart.bands > 0 && chart.texts.includes('Amdahl'), `${one.name}: no curve`);
      check(one.fit.serial.low <= one.fit.serial.mid && one.fit.serial.mid <= one.fit.serial.high, `${one.name}: bounds of the serial share`);
      if (one.fit.peak) {
        const printed = (v) => (Math.abs(v) < 9.995 ? v.toFixed(2) : v.toFixed(1));
        check(chart.beside.includes(printed(one.fit.peak.mid)) && chart.beside.includes(printed(one.fit.peak.low)), `${one.name}: its peak has no bounds`);
      } else {
        check(chart.beside.includes('no peak'), `${one.name}: says nothing of a peak`);
      }
    } else {
      check(chart.curves === 0 && chart.bands === 0 && !chart.texts.includes('Amdahl'), `${one.name}: a curve is drawn without a fit`);
      check(one.why_not && chart.beside.includes(one.why_not), `${one.name}: no reason why there is no curve`);
    }
  }
}

// Run after run: a point a run, a mark and words where the level changed.
export async function history(page, data, check, near) {
  const drawn = await page.evaluate(() => [...document.querySelectorAll('.t-history > tbody > tr:not(.told)')].map((tr) => ({
    name: tr.dataset.row,
    fixture: tr.dataset.fixture,
    points: tr.querySelectorAll('svg.d circle').length,
    dots: [...tr.querySelectorAll('svg.d circle.dot')].map((c) => parseFloat(c.getAttribute('cx'))),
    marks: [...tr.querySelectorAll('svg.d .chg')].map((l) => parseFloat(l.getAttribute('x1'))),
    words: [...tr.querySelectorAll('svg.d text')].map((t) => t.textContent),
    chip: tr.querySelector('.chip').textContent,
    told: tr.nextElementSibling.textContent,
  })));
  check(drawn.length === data.histories.length, `${drawn.length} rows of ${data.histories.length} histories`);
  let moved = 0;
  for (const one of data.histories) {
    const row = drawn.find((other) => other.name === `${one.workload}/${one.row}` && other.fixture === one.fixture && other.points === one.points.length);
    if (!row) { check(false, `${one.row} is not drawn`); continue; }
    const steps = one.course?.is === 'steps' ? one.course.steps : [];
    check(row.marks.length === steps.length && row.dots.length === steps.length, `${one.row}: ${row.marks.length} marks of ${steps.length} steps`);
    for (const [at, step] of steps.entries()) {
      moved += 1;
      const x = (run) => 2 + (96 * run) / (one.points.length - 1);
      check(near(row.marks[at], x(step.at - 0.5), 0.1) && near(row.dots[at], x(step.at), 0.1), `${one.row}: the mark lies elsewhere`);
      const share = `${step.after > step.before ? '+' : ''}${((step.after / step.before - 1) * 100).toFixed(2)} %`;
      check(row.words[at].includes(share) && row.words[at].includes(one.points[step.at].commit.slice(0, 9)), `${one.row}: beside the mark stands ${row.words[at]}`);
      check(row.told.includes(step.run) && row.told.includes(share), `${one.row}: the step is not told`);
      check(row.chip === (step.after > step.before ? 'worse' : 'better'), `${one.row}: ${row.chip}`);
    }
    if (one.course?.is === 'flat') check(row.chip === 'flat' && row.marks.length === 0, `${one.row}: flat, and ${row.chip}`);
  }
  check(moved > 0, 'no step is in any history');
}
