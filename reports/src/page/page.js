(function () {
'use strict';
var $ = function (s, r) { return (r || document).querySelector(s); };
var $$ = function (s, r) { return Array.prototype.slice.call((r || document).querySelectorAll(s)); };

/* Colours: light, dark, or as the system has it. */
var select = $('#theme');
select.hidden = false;
function theme(name) {
  if (name) document.documentElement.setAttribute('data-theme', name);
  else document.documentElement.removeAttribute('data-theme');
}
try { select.value = localStorage.getItem('assay-theme') || ''; theme(select.value); } catch (e) { /* a page from a file may have no storage */ }
select.addEventListener('change', function () {
  theme(select.value);
  try { localStorage.setItem('assay-theme', select.value); } catch (e) { /* as above */ }
});

/* Where the reader is. */
if ('IntersectionObserver' in window) {
  var seen = {};
  var observer = new IntersectionObserver(function (entries) {
    entries.forEach(function (one) { seen[one.target.id] = one.isIntersecting; });
    var on = $$('main section').filter(function (s) { return seen[s.id]; })[0];
    $$('.nav a').forEach(function (a) {
      if (on && a.hash === '#' + on.id) a.setAttribute('aria-current', 'true');
      else a.removeAttribute('aria-current');
    });
  }, { rootMargin: '-12% 0px -70% 0px' });
  $$('main section').forEach(function (s) { observer.observe(s); });
}

/* Copy the commands. */
var copy = $('#copy');
if (copy && navigator.clipboard && window.isSecureContext) {
  copy.hidden = false;
  copy.addEventListener('click', function () {
    navigator.clipboard.writeText($('#cmd').textContent).then(function () { copy.textContent = 'Copied'; }, function () { copy.textContent = 'Not allowed'; });
  });
}

/* Print and addresses open what is folded away. */
window.addEventListener('beforeprint', function () { $$('details').forEach(function (d) { d.open = true; }); });
function reveal() {
  var id = location.hash.slice(1), target = id && document.getElementById(id), outer = target;
  if (!target) return;
  while ((outer = outer.parentElement && outer.parentElement.closest('details'))) outer.open = true;
  target.scrollIntoView();
}
window.addEventListener('hashchange', function () { if (!zoomed()) reveal(); });

/* Icicles: both are zoomed to the same frame, on one scale. */
var svgs = $$('svg.fl'), info = $('#fd'), reset = $('#fz'), find = $('#fs'), found = $('#fsn'), zoom = '';
var NS = 'http://www.w3.org/2000/svg';
var frames = $$('.fr').map(function (el) {
  var text = $('text', el), word = $('tspan', text), name = text.firstChild.nodeValue.replace(/ $/, '');
  el.setAttribute('role', 'button');
  el.setAttribute('tabindex', el.getAttribute('data-u') === '0' ? '0' : '-1');
  el.setAttribute('aria-label', name + (word ? ' ' + word.textContent : '') + ': ' + el.getAttribute('data-b') + ' µs before, ' + el.getAttribute('data-n') + ' now');
  return {
    el: el, text: text, id: el.getAttribute('data-i'), above: el.getAttribute('data-u'),
    x: parseFloat(el.getAttribute('x')), w: parseFloat(el.getAttribute('width')),
    level: el.getAttribute('y') / el.getAttribute('height'), side: el.parentNode.getAttribute('data-side'),
    name: name, word: word ? word.textContent : ''
  };
});
var paths = { 0: '' };
frames.forEach(function (f) {
  var above = paths[f.above] || '';
  f.path = paths[f.id] = (above ? above + ';' : '') + f.name;
});
function percent(v) { return v.toFixed(3) + '%'; }
function label(f, px) {
  var room = Math.floor((px - 8) / 6.3), both = f.word && f.name.length + 1 + f.word.length <= room;
  f.text.classList.toggle('hid', room < 3);
  f.text.textContent = f.name + (both ? ' ' : '');
  if (both) {
    var span = document.createElementNS(NS, 'tspan');
    span.setAttribute('class', 'dd');
    span.textContent = f.word;
    f.text.appendChild(span);
  }
}
function fit() {
  svgs.forEach(function (svg) {
    var wide = svg.getBoundingClientRect().width, saved = $('.saved', svg);
    if (saved) $('text', saved).classList.toggle('hid', parseFloat(saved.getAttribute('width')) * wide / 100 < 96);
    frames.forEach(function (f) { if (f.el.parentNode === svg) label(f, parseFloat(f.el.getAttribute('width')) * wide / 100); });
  });
}
function zoomTo(path, quiet) {
  var widest = 0;
  zoom = path;
  reset.disabled = !path;
  frames.forEach(function (f) { if (f.path === path && f.w > widest) widest = f.w; });
  ['before', 'after'].forEach(function (side) {
    var base = frames.filter(function (f) { return f.side === side && f.path === path; })[0];
    frames.forEach(function (f) {
      if (f.side !== side) return;
      if (!path) {
        f.el.setAttribute('x', percent(f.x));
        f.el.setAttribute('width', percent(f.w));
        f.el.classList.remove('hidden', 'dim');
        return;
      }
      if (!base) { f.el.classList.add('hidden'); return; }
      var scale = 100 / widest, inside = f.path === path || f.path.indexOf(path + ';') === 0, above = path.indexOf(f.path + ';') === 0;
      f.el.classList.toggle('hidden', !inside && !above);
      f.el.classList.toggle('dim', above);
      if (above) { f.el.setAttribute('x', '0%'); f.el.setAttribute('width', '100%'); }
      else if (inside) { f.el.setAttribute('x', percent((f.x - base.x) * scale)); f.el.setAttribute('width', percent(f.w * scale)); }
    });
  });
  $$('.saved').forEach(function (s) { s.setAttribute('visibility', path ? 'hidden' : 'visible'); });
  fit();
  if (!quiet) try { history.replaceState(null, '', path ? '#code=' + encodeURIComponent(path) : location.pathname + location.search); } catch (e) { /* a page from a file may not rewrite its address */ }
}
function zoomed() {
  var hash = /^#code=(.*)$/.exec(location.hash), path;
  if (!hash || !svgs.length) return false;
  try { path = decodeURIComponent(hash[1]); } catch (e) { return false; }
  if (!frames.some(function (f) { return f.path === path; })) return false;
  zoomTo(path, true);
  $('#code').scrollIntoView();
  return true;
}
function say(f) { info.textContent = f.el.getAttribute('aria-label') + '. ' + f.path.split(';').join(' > '); }
function go(f) {
  frames.forEach(function (g) { g.el.setAttribute('tabindex', '-1'); });
  f.el.setAttribute('tabindex', '0');
  f.el.focus();
  say(f);
}
if (svgs.length) {
  frames.forEach(function (f) {
    f.el.addEventListener('click', function () { zoomTo(zoom === f.path ? '' : f.path); say(f); });
    f.el.addEventListener('mouseenter', function () { say(f); });
    f.el.addEventListener('focus', function () { say(f); });
    f.el.addEventListener('keydown', function (event) {
      var shown = frames.filter(function (g) { return g.side === f.side && !g.el.classList.contains('hidden'); });
      var row = shown.filter(function (g) { return g.level === f.level; }), next = null;
      if (event.key === 'ArrowDown') next = shown.filter(function (g) { return g.path.indexOf(f.path + ';') === 0 && g.level === f.level + 1; })[0];
      else if (event.key === 'ArrowUp') next = shown.filter(function (g) { return f.path.indexOf(g.path + ';') === 0 && g.level === f.level - 1; })[0];
      else if (event.key === 'ArrowRight') next = row[row.indexOf(f) + 1];
      else if (event.key === 'ArrowLeft') next = row[row.indexOf(f) - 1];
      else if (event.key === 'Home') next = shown[0];
      else if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); zoomTo(zoom === f.path ? '' : f.path); say(f); return; }
      else if (event.key === 'Escape') { zoomTo(''); return; }
      else return;
      event.preventDefault();
      if (next) go(next);
    });
  });
  reset.addEventListener('click', function () { zoomTo(''); });
  find.addEventListener('input', function () {
    var asked = find.value.toLowerCase(), sum = { before: 0, after: 0 }, inside = { before: null, after: null };
    frames.forEach(function (f) {
      var name = f.path.slice(f.path.lastIndexOf(';') + 1).toLowerCase(), hit = !!asked && name.indexOf(asked) >= 0;
      f.el.classList.toggle('hit', hit);
      f.el.classList.toggle('dim', !!asked && !hit);
      if (hit && (inside[f.side] === null || f.path.indexOf(inside[f.side]) !== 0)) { inside[f.side] = f.path + ';'; sum[f.side] += f.w; }
    });
    var us = +svgs[0].getAttribute('data-us') / 100;
    found.textContent = asked ? (sum.before * us).toFixed(1) + ' µs before, ' + (sum.after * us).toFixed(1) + ' µs now' : '';
  });
  fit();
  window.addEventListener('resize', fit);
}
if (!zoomed()) reveal();
})();
